"""What tenants may have, as operators have set it, and what they have used."""
