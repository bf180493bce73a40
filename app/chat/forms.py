"""Validation of messages, from the page's form and from websockets."""

from django import forms

from .models import MAX_MESSAGE, MAX_NAME


class TextField(forms.CharField):
    """Text whose line breaks count as one character, as in a browser's maxlength."""

    def to_python(self, value):
        """Return the value with single-character line breaks."""
        return super().to_python(value).replace("\r\n", "\n")


class MessageForm(forms.Form):
    """A message, and the name that a guest chose."""

    name = forms.CharField(
        max_length=MAX_NAME,
        required=False,
        empty_value="guest",
        error_messages={"max_length": f"A name has at most {MAX_NAME} characters."},
    )
    message = TextField(
        max_length=MAX_MESSAGE,
        error_messages={
            "required": "Write something first.",
            "max_length": f"A message has at most {MAX_MESSAGE} characters.",
        },
    )

    def problem(self) -> str:
        """Return the first error as a sentence for the sender."""
        return next(iter(self.errors.values()))[0]
