"""Example data of the app and the README, and the script that makes them."""
