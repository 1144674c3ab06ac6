"""The folder of model packages: adding, removing and listing them."""
