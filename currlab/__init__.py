"""currlab: notebooks and a small package that teach curriculum reinforcement fine-tuning."""

import os

# No part of this project reports usage anywhere; the Hugging Face libraries read this on import.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
