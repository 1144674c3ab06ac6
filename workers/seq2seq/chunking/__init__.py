"""Splits long texts into chunks, and joins the answers to them."""
