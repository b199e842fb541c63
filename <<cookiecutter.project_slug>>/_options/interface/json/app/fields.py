"""Types of fields that apply :mod:`app.security.sanitization`, and describe it as JSON Schema.

The lengths count after normalization and cleaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    GetPydanticSchema,
)
from pydantic_core import CoreSchema, core_schema

from app.secret import Secret
from app.security import rich_text
from app.security.access import PublicIdConverter
from app.security.rich_text import MAX_RICH_TEXT
from app.security.sanitization import clean_line

# The ranges of sanitization.FORBIDDEN and LINE_BREAK.
CONTROLS = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
LINE_BREAKS = r"\t\n\r\u2028\u2029"


@dataclass(frozen=True)
class PlainText:
    """One line of plain text: ``title: Annotated[str, PlainText(1, 120)]``.

    :param minimum: characters after normalization, like ``maximum``.
    """

    minimum: int
    maximum: int

    def clean(self, text: str) -> str:
        return clean_line(text, self.maximum, self.minimum)

    def __get_pydantic_core_schema__(self, of: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.clean, handler(of))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        other = rf"[^{CONTROLS}{LINE_BREAKS}]*"
        visible = rf"[^{CONTROLS}\s]{other}" if self.minimum else ""
        return handler(schema) | {
            "minLength": self.minimum,
            "maxLength": self.maximum,
            "pattern": f"^{other}{visible}$",
        }


# A text for a column of app.security.rich_text; its value has the HTML as well.
RichText = Annotated[
    str,
    AfterValidator(rich_text.RichText),
    Field(
        json_schema_extra={
            "description": "Markdown (CommonMark without raw HTML and images); it shows something.",
            "minLength": 1,
            "maxLength": MAX_RICH_TEXT,
            "pattern": rf"^[^{CONTROLS}]*[^{CONTROLS}\s][^{CONTROLS}]*$",
        }
    ),
]
# A password, a code or a token in a body: a Secret from the moment it is read, so that a log or a
# traceback that has the body does not show it. It stays one in model_dump(), and JSON does not take
# it: an answer has the text that the view reveals.
SecretText = Annotated[
    Secret,
    GetPydanticSchema(
        lambda _, handler: core_schema.no_info_after_validator_function(
            Secret,
            handler(str),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret),
        )
    ),
]
PublicId = Annotated[str, Field(pattern=f"^{PublicIdConverter.regex}$")]
