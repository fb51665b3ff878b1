"""Print the lowest versions that setup.cfg allows, of all that the tests need."""

import configparser
from pathlib import Path

config = configparser.ConfigParser()
config.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")
core, test = config["options"], config["options.extras_require"]
print((core["install_requires"] + test["test"]).strip().replace(">=", "=="))
