"""The HTTP side: the renter's endpoints of Clore, and the admin API of the emulator."""

from __future__ import annotations
