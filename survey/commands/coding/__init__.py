"""``equipoise survey coding``: what people suggested, coded into categories, and on to a design."""
