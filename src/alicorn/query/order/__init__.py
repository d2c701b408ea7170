"""Which hits come first: orders and their sums (order_by.py), and the shares of strong-or (share.py)."""
