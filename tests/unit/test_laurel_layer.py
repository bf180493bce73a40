"""Which channel layers are refused."""

import pytest
from laurel import layer

MEMORY = "channels.layers.InMemoryChannelLayer"
REDIS = "channels_redis.core.RedisChannelLayer"


@pytest.mark.parametrize(
    ("backends", "processes", "http_server", "refused"),
    [
        ({"CHANNEL_LAYERS['default']": MEMORY}, "2", "same", True),
        ({"CHANNEL_LAYERS['default']": MEMORY}, "auto", "same", True),
        ({"CHANNEL_LAYERS['default']": MEMORY}, "1", "gunicorn", True),
        ({"CHANNEL_LAYERS['default']": MEMORY}, "1", "same", False),
        ({"CHANNEL_LAYER": "memory"}, "2", "same", True),
        ({"CHANNEL_LAYER": "pubsub"}, "2", "same", False),
        ({"CHANNEL_LAYERS['other']": REDIS, "CHANNEL_LAYERS['local']": MEMORY}, "2", "same", True),
        ({"CHANNEL_LAYERS['default']": REDIS}, "auto", "gunicorn", False),
        ({}, "4", "same", False),
    ],
)
def test_layer_in_memory_needs_one_process(
    backends: dict[str, str], processes: str, http_server: str, refused: bool
) -> None:
    text = layer.refusal(backends, processes, http_server)
    if refused:
        name, backend = list(backends.items())[-1]
        assert text.startswith(f"{name} is {backend}, which loses messages between processes")
        assert f"PROCESSES={processes}, HTTP_SERVER={http_server} means several" in text
        for remedy in (
            "CHANNEL_LAYER=pubsub",
            "channels_redis",
            "PROCESSES=1 and HTTP_SERVER=same",
        ):
            assert remedy in text
    else:
        assert text == ""
