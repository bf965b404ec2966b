"""The receipts and the waiting writes in Django's admin, which imports this module at start."""

from workers.admin.receipts import ReceiptAdmin

__all__ = ["ReceiptAdmin"]
