"""Defects in metrics: access, labels that clients choose, lost counts."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

logs = partial(Defect, "logs")

DEFECTS = [
    logs(
        "metrics on every listener",
        "if not isinstance(address, tuple) or address[1] != port:  # text: a Unix socket",
        'if environ["PATH_INFO"] != "/metrics":',
        "test_metrics_are_not_reached_through_nginx",
    ),
    logs(
        "the listener of metrics is chosen by a header",
        "if not isinstance(address, tuple) or address[1] != port:  # text: a Unix socket",
        'if not environ.get("HTTP_HOST", "").endswith(f":{port}") and '
        "not isinstance(address, tuple):",
        "test_metrics_are_not_on_the_socket_of_the_service",
    ),
    logs(
        "the service itself is on the listener of metrics",
        '            start_response("404 Not Found", [("Content-Length", "0")])\n'
        "            return []\n"
        "        registry",
        "            return wsgi_app(environ, start_response)\n        registry",
        "test_the_listener_of_metrics_answers_nothing_else",
    ),
    logs(
        "the path of a request is a label",
        "self.route = rule.rule",
        'self.route = self.environ["PATH_INFO"]',
        "test_no_client_chooses_a_label",
    ),
    logs(
        "the method of a request is a label as it is sent",
        'method = method if method in METHODS else "other"',
        "method = method.upper()",
        "test_no_client_chooses_a_label",
    ),
    logs(
        "workers share one file of counts",
        "        metrics.slot = worker.slot",
        "        metrics.slot = 1",
        "test_a_killed_worker_loses_no_count",
    ),
    logs(
        "a dead worker holds its connections for ever",
        "multiprocess.mark_process_dead(worker.slot)",
        "multiprocess.mark_process_dead(worker.pid)",
        "test_what_a_killed_worker_held_is_forgotten",
    ),
    logs(
        "a database that does not answer takes all metrics away",
        "        except SQLAlchemyError:\n"
        '            log.warning("metrics: the database cannot be read", exc_info=True)',
        "        except ZeroDivisionError:\n"
        '            log.warning("metrics: the database cannot be read", exc_info=True)',
        "test_other_metrics_remain_without_the_database",
    ),
    logs(
        "a trace is taken over without a look at it",
        'if trace := trace_id(environ.get("HTTP_TRACEPARENT", "")):',
        'if trace := environ.get("HTTP_TRACEPARENT", "")[3:35]:',
        "test_a_well_formed_trace_is_in_the_log_lines",
    ),
    logs(
        "a password that was hashed counts as being hashed for ever",
        "        slots.release()\n        _tell(-1)",
        "        slots.release()",
        "test_passwords_are_counted_while_they_are_hashed_and_when_they_are_refused",
    ),
    logs(
        "an alert mixes this service with others",
        'absent(app_info{job="{slug}"})',
        "absent(app_info)",
        "test_the_dashboard_and_the_alerts_are_about_this_service_alone",
    ),
    logs(
        "an alert that never fires",
        " < 14 * 86400",
        " < 14 * 864",
        "test_prometheus_takes_the_alerts",
    ),
    logs(
        "no alert when there was never a backup",
        " offset 26h",
        " offset 260h",
        "test_prometheus_takes_the_alerts",
    ),
    logs(
        "a backup counts before it is there",
        "        written = backups.back_up(file or backups.new_file())\n",
        "        record(began)\n        written = backups.back_up(file or backups.new_file())\n",
        "test_a_backup_is_recorded_when_it_is_complete_and_not_before",
    ),
    logs(
        "a backup that is only in memory counts",
        "            os.fsync(written.fileno())",
        "            written.fileno()",
        "test_a_backup_is_recorded_when_it_is_complete_and_not_before",
    ),
    logs(
        "a backup counts that nobody could restore",
        "        dumps.verify(migration_engine().url, unfinished)\n",
        "",
        "test_an_unreadable_backup_is_refused",
    ),
    logs(
        "a backup fails because it is not recorded",
        "        backups.record(began)\n    except SQLAlchemyError as error:",
        "        backups.record(began)\n    except ZeroDivisionError as error:",
        "test_a_backup_that_cannot_be_recorded_stays_and_the_operator_is_told",
    ),
    logs(
        "a restore brings back the age of an older backup",
        "        record(began)  # the restored data holds the record of an older one\n",
        "",
        "test_a_backup_is_recorded_when_it_is_complete_and_not_before",
    ),
    logs(
        "the certificate is asked for with each scrape",
        "if time.monotonic() - self.asked_at > FRESH:",
        "if self.asked_at:",
        "test_a_certificate_that_cannot_be_read_is_missing_and_asked_for_once_a_minute",
    ),
    logs(
        "an Nginx that does not answer takes all metrics away",
        "            except (OSError, ValueError):\n                self.ends_at = None\n",
        "            except ZeroDivisionError:\n                self.ends_at = None\n",
        "test_a_certificate_that_cannot_be_read_is_missing_and_asked_for_once_a_minute",
    ),
    logs(
        "the certificate of whom the address names",
        "server_hostname=self.name)",
        "server_hostname=self.server[0])",
        "test_the_certificate_metric_reads_the_certificate_of_nginx",
    ),
    logs(
        "an answer that breaks off is not counted",
        "        finally:\n            self.count(self.status, self.route)\n",
        "        except ZeroDivisionError:\n            self.count(self.status, self.route)\n",
        "test_an_answer_that_breaks_off_is_counted",
    ),
    logs(
        "every pod of the cluster named Prometheus reads the metrics",
        "            matchLabels: {kubernetes.io/metadata.name: monitoring}\n"
        "          podSelector:\n"
        "            matchLabels: {app.kubernetes.io/name: prometheus}",
        "            matchLabels: {kubernetes.io/metadata.name: monitoring}\n"
        "        - podSelector:\n"
        "            matchLabels: {app.kubernetes.io/name: prometheus}",
        "test_the_component_opens_the_port_to_prometheus_alone",
        {"deployment": "kubernetes"},
    ),
]
