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
    links,
    mail,
    metrics,
    numbers,
    operation,
    own_data,
    pages,
    passkeys,
    personal_tokens,
    provider_logouts,
    provider_proof,
    refusals,
    requirements,
    rescues,
    second_factors,
    storage,
    strangers,
    styles,
    systemd,
)

MODULES = (
    *(data, inputs, browsers, accounts, devices, links, codes, addresses, mail, edge),
    *(second_factors, passkeys, factor_api, factor_pages, provider_proof, rescues),
    provider_logouts,
    *(operation, own_data, pages, personal_tokens, refusals, claims, requirements, drawn),
    *(metrics, storage, styles),
    *(construction, numbers, decisions, deployments, docker, systemd, kubernetes),
    strangers,
)
ALL = [defect for module in MODULES for defect in module.DEFECTS]
# One of each of these, with the default answers, unless `make sabotage` asks for all: it shows that
# the checks notice defects, those of the nine practices among them.
NOTICED = """
    sanitization csrf queries passwords https cookies audits rate_limits errors
    access scope safe_methods step-up passkeys routes numbers docker
""".split()
FIRST = {it.practice: it for it in reversed(ALL) if not it.answers}
SPREAD = [FIRST[name] for name in NOTICED]
SELECTED = ALL if os.environ.get("SABOTAGE") == "all" else SPREAD
