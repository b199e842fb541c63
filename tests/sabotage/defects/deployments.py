"""How the service runs: images, containers, units and manifests."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

docker = partial(Defect, "docker")
systemd = partial(Defect, "systemd", answers={"deployment": "systemd"})
kubernetes = partial(Defect, "kubernetes", answers={"deployment": "kubernetes"})

IMAGES = "tests/test_images.py"
TESTS = "tests/test_deployment.py"
CONTAINER = f"{TESTS}::test_a_container_gets_no_further"
UNIT = f"{TESTS}::test_a_unit_gets_no_further"
HARDENING = f"{TESTS}::test_what_no_unit_needs_no_unit_has"
POD = f"{TESTS}::test_a_pod_gets_no_further"
UNITS = "deploy/systemd"
MANIFESTS = "deploy/kubernetes/base"
OVERLAYS = "deploy/kubernetes/overlays"

DEFECTS = [
    docker(
        "the app's image runs as root",
        "Dockerfile",
        "USER 10001:10001\nHEALTHCHECK --interval=30s --timeout=10s --start-period=30s",
        "HEALTHCHECK --interval=30s --timeout=10s --start-period=30s",
        f"{IMAGES}::test_no_image_runs_as_root",
    ),
    docker(
        "the base image is not pinned",
        "Dockerfile",
        " AS base\n",
        "\nFROM python:3.13-slim AS base\n",
        f"{IMAGES}::test_every_image_stands_on_what_was_looked_at",
    ),
    docker(
        "everything is copied into the image",
        "Dockerfile",
        "COPY app app\n",
        "COPY . .\n",
        f"{IMAGES}::test_nothing_gets_into_an_image_unnamed",
    ),
    docker(
        "the secrets go to whoever builds",
        ".dockerignore",
        "*\n\n!app\n",
        "!app\n",
        f"{IMAGES}::test_nothing_gets_into_an_image_unnamed",
    ),
    docker(
        "containers keep their capabilities",
        "compose.yaml",
        "cap_drop: &capabilities [ALL]",
        "cap_drop: &capabilities [NET_RAW]",
        CONTAINER,
    ),
    docker(
        "a set-uid program makes root",
        "compose.yaml",
        '&confined ["no-new-privileges:true"]',
        "&confined []",
        CONTAINER,
    ),
    docker(
        "Nginx may write everywhere",
        "compose.yaml",
        "    read_only: true\n"
        "    cap_drop: *capabilities\n"
        "    security_opt: *confined\n"
        "    ulimits: { core: 0, nofile: 8192 }\n",
        "    cap_drop: *capabilities\n"
        "    security_opt: *confined\n"
        "    ulimits: { core: 0, nofile: 8192 }\n",
        CONTAINER,
    ),
    docker(
        "the app's container has the daemon's socket",
        "compose.yaml",
        'volumes: [*database, "backups:/srv/app/backups"]',
        'volumes: [*database, "/var/run/docker.sock:/var/run/docker.sock"]',
        CONTAINER,
    ),
    docker(
        "the store of the limits is on the network",
        "compose.yaml",
        '    network_mode: none\n    volumes: ["valkey-socket:/run/valkey"]\n',
        '    ports: ["6379:6379"]\n    volumes: ["valkey-socket:/run/valkey"]\n',
        f"{TESTS}::test_a_container_has_the_network_that_it_needs",
    ),
    docker(
        "a killed instance is not restarted",
        "compose.yaml",
        '/app-1.sock"]\n'
        "      interval: 30s\n"
        "      timeout: 10s\n"
        "      start_period: 60s\n"
        "      start_interval: 1s\n"
        "    depends_on: *migrated\n"
        "    stop_grace_period: 30s # gunicorn finishes started requests within 20\n"
        "    restart: unless-stopped\n",
        '/app-1.sock"]\n'
        "      interval: 30s\n"
        "      timeout: 10s\n"
        "      start_period: 60s\n"
        "      start_interval: 1s\n"
        "    depends_on: *migrated\n"
        "    stop_grace_period: 30s\n",
        f"{TESTS}::test_what_dies_is_started_again",
    ),
    systemd(
        "requests fail while a killed service starts",
        "deploy/gunicorn.conf.py",
        "umask = 0o117\n",
        "umask = 0o117\nreuse_port = True\n",
        "tests/test_restart.py::test_a_kill_costs_what_was_under_way_and_nothing_else",
    ),
    systemd(
        "a killed service stays away",
        f"{UNITS}/app.service",
        "Restart=always\n",
        "Restart=on-success\n",
        f"{TESTS}::test_a_killed_service_is_started_at_once_and_requests_wait",
    ),
    systemd(
        "a unit may gain rights",
        f"{UNITS}/hardening.conf",
        "NoNewPrivileges=yes\n",
        "",
        HARDENING,
    ),
    systemd(
        "injected code can run",
        f"{UNITS}/hardening.conf",
        "MemoryDenyWriteExecute=yes",
        "MemoryDenyWriteExecute=no",
        HARDENING,
    ),
    systemd(
        "the backup runs as root",
        f"{UNITS}/app-backup.service",
        "\nUser=",
        "\nUser=root\n#",
        UNIT,
    ),
    systemd(
        "every call of the kernel is open",
        f"{UNITS}/app.service",
        "SystemCallFilter=~@privileged @resources\n",
        "",
        UNIT,
    ),
    systemd(
        "the service has the network",
        f"{UNITS}/app.service",
        "PrivateNetwork=yes\n",
        "",
        f"{TESTS}::test_the_service_reaches_sockets_alone",
    ),
    systemd(
        "everybody on the host may name any address",
        f"{UNITS}/app.socket",
        "SocketMode=0660",
        "SocketMode=0666",
        f"{TESTS}::test_nobody_but_nginx_reaches_the_service",
    ),
    kubernetes(
        "a killed container waits long for its next visitor",
        f"{MANIFESTS}/web.yaml",
        "periodSeconds: 1\n",
        "periodSeconds: 30\n",
        f"{TESTS}::test_a_killed_container_is_back_as_soon_as_it_works",
    ),
    kubernetes(
        "a pod may run as root",
        f"{MANIFESTS}/web.yaml",
        "        runAsNonRoot: true\n",
        "",
        POD,
    ),
    kubernetes(
        "a pod has the token of the cluster",
        f"{MANIFESTS}/web.yaml",
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: true",
        POD,
    ),
    kubernetes(
        "a pod may write everywhere",
        f"{MANIFESTS}/backup.yaml",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        POD,
    ),
    kubernetes(
        "the cluster lets in any pod",
        f"{MANIFESTS}/namespace.yaml",
        "pod-security.kubernetes.io/enforce: restricted",
        "pod-security.kubernetes.io/enforce: privileged",
        f"{TESTS}::test_the_cluster_lets_in_restricted_pods_alone",
    ),
    kubernetes(
        "everybody in the cluster reaches the store",
        f"{MANIFESTS}/network.yaml",
        "  ingress:\n"
        "    - from:\n"
        "        - podSelector:\n"
        "            matchLabels: {app.kubernetes.io/component: web}\n"
        "      ports:\n"
        "        - {protocol: TCP, port: 6379}\n",
        "  ingress:\n    - {}\n",
        f"{TESTS}::test_nobody_is_reached_who_is_not_named",
    ),
    kubernetes(
        "the pods' account is the one that the cluster makes",
        f"{MANIFESTS}/namespace.yaml",
        "  name: workload\n",
        "  name: default\n",
        f"{TESTS}::test_a_pod_has_an_account_that_nobody_else_makes",
    ),
    kubernetes(
        "Nginx leaves before a cloud's balancer knows",
        f"{MANIFESTS}/web.yaml",
        "preStop: {sleep: {seconds: 30}}",
        "preStop: {sleep: {seconds: 10}}",
        f"{TESTS}::test_a_pod_listens_until_balancers_know_that_it_leaves",
        answers={"deployment": "kubernetes", "database": "postgresql"},
    ),
    kubernetes(
        "a spread by zone where no node has one",
        f"{MANIFESTS}/web.yaml",
        "          topologyKey: kubernetes.io/hostname\n          whenUnsatisfiable",
        "          topologyKey: topology.kubernetes.io/zone\n          whenUnsatisfiable",
        f"{TESTS}::test_pods_go_to_other_nodes_where_no_node_has_a_zone",
        answers={"deployment": "kubernetes", "database": "postgresql"},
    ),
    kubernetes(
        "a name takes 20 seconds without DNS",
        f"{MANIFESTS}/web.yaml",
        '          - {name: timeout, value: "1"}\n',
        "",
        f"{TESTS}::test_a_name_costs_seconds_while_dns_does_not_answer",
    ),
    kubernetes(
        "threads that wait for the database take the pod out of service",
        f"{MANIFESTS}/web.yaml",
        "exec: {command: [python, deploy/container/healthcheck.py, connect]}",
        "exec: {command: [python, deploy/container/healthcheck.py, /healthz]}",
        f"{TESTS}::test_a_pod_whose_threads_all_wait_still_gets_visitors",
    ),
    kubernetes(
        "the policy that admits everybody is for every pod",
        f"{OVERLAYS}/production/network.yaml",
        "app.kubernetes.io/component: web, overlay: production}",
        "app.kubernetes.io/component: web}",
        f"{TESTS}::test_what_one_overlay_opens_is_open_for_its_pods_alone",
    ),
    kubernetes(
        "Ctrl-C leaves SQLite stopped",
        "deploy/kubernetes/deploy.sh",
        "trap 'exit 130' INT\n",
        "",
        f"{TESTS}::test_a_signal_leaves_nothing_behind",
    ),
    kubernetes(
        "any error passes for a cluster without secrets",
        "deploy/kubernetes/deploy.sh",
        '    || fail "the cluster does not say whether',
        '    || true "the cluster does not say whether',
        f"{TESTS}::test_an_error_of_the_cluster_is_no_permission_to_write_new_secrets",
    ),
]
