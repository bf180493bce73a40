"""What a client may say, by whichever way it arrives."""

from django import forms

from .models import MAX_MESSAGE, MAX_NAME


class TextField(forms.CharField):
    """Text whose line ends count as one character, as they do in a browser's maxlength."""

    def to_python(self, value):
        """Return the value as text with single-character line ends."""
        return super().to_python(value).replace("\r\n", "\n")


class MessageForm(forms.Form):
    """A message, and the name a guest wants to go by."""

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
        """Return the first thing that is wrong, as a sentence for the sender."""
        return next(iter(self.errors.values()))[0]
