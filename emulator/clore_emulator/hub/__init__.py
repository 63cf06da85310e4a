"""A local model hub: the Hugging Face protocol for the real huggingface_hub client, tiny files."""

from clore_emulator.hub.app import create_app
from clore_emulator.hub.desk import DEMO_TOKEN, Desk
from clore_emulator.hub.repository import File, Repository
from clore_emulator.hub.seeds import repositories

__all__ = ["DEMO_TOKEN", "Desk", "File", "Repository", "create_app", "repositories"]
