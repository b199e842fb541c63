"""The defects, and which of them are planted this time."""

from __future__ import annotations

import os

from tests.sabotage.defects import (
    accounts,
    addresses,
    browsers,
    codes,
    construction,
    data,
    deployments,
    devices,
    docker,
    edge,
    inputs,
    kubernetes,
    links,
    mail,
    numbers,
    operation,
    own_data,
    storage,
    styles,
    systemd,
)

MODULES = (
    *(data, inputs, browsers, accounts, devices, links, codes, addresses, mail, edge),
    *(operation, own_data, storage, styles),
    *(construction, numbers, deployments, docker, systemd, kubernetes),
)
ALL = [defect for module in MODULES for defect in module.DEFECTS]
# The first of each practice, with the default answers, unless `make sabotage` asks for all.
SPREAD = list({it.practice: it for it in reversed(ALL) if not it.answers}.values())[::-1]
SELECTED = ALL if os.environ.get("SABOTAGE") == "all" else SPREAD
