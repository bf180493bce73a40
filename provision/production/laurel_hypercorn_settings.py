"""Settings that hypercorn takes from a file only."""

import os

websocket_max_message_size = int(os.environ["LAUREL_WEBSOCKET_MESSAGE"])
