"""How much a site holds before the load begins."""

PRODUCTS = 200
TICKETS = 200
