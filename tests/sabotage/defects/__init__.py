"""The defects, and which of them are planted this time."""

from __future__ import annotations

import os

from tests.sabotage.defects import (
    accounts,
    addresses,
    browsers,
    claims,
    codes,
    construction,
    data,
    decisions,
    deployments,
    devices,
    docker,
    drawn,
    edge,
    factor_api,
    factor_pages,
    inputs,
    kubernetes,
    ledger,
    links,
    mail,
    metrics,
    numbers,
    operation,
    own_data,
    pages,
    passkeys,
    personal_tokens,
    provider_proof,
    refusals,
    rescues,
    second_factors,
    storage,
    styles,
    systemd,
)

MODULES = (
    *(data, inputs, browsers, accounts, devices, links, codes, addresses, mail, edge),
    *(second_factors, passkeys, factor_api, factor_pages, provider_proof, rescues),
    *(operation, own_data, pages, personal_tokens, refusals, claims, ledger, drawn),
    *(metrics, storage, styles),
    *(construction, numbers, decisions, deployments, docker, systemd, kubernetes),
)
ALL = [defect for module in MODULES for defect in module.DEFECTS]
# The first of each practice, with the default answers, unless `make sabotage` asks for all.
SPREAD = list({it.practice: it for it in reversed(ALL) if not it.answers}.values())[::-1]
SELECTED = ALL if os.environ.get("SABOTAGE") == "all" else SPREAD
