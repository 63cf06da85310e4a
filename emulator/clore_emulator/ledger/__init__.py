"""The judge: who asked for what, which orders ran, who ended them, and what they cost."""

from __future__ import annotations

from .book import Ledger
from .entry import Account, Order, RequestEntry
from .journal import Journal
from .report import report

__all__ = ["Ledger", "Account", "Order", "RequestEntry", "Journal", "report"]
