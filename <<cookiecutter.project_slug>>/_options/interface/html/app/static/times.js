// Shows each time in the zone and the language of the reader. The page has it in UTC, for those who
// have no script; the tooltip keeps that, so that two people can compare.
"use strict";

const format = new Intl.DateTimeFormat(navigator.languages, { dateStyle: "medium", timeStyle: "short" });
const language = format.resolvedOptions().locale; // the page is in English: a screen reader must know

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) {
    continue;
  }
  time.title = time.textContent;
  time.lang = language;
  time.textContent = format.format(moment);
}
