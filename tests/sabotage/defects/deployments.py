"""Defects in the deployment: images, containers, units and manifests."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

docker = partial(Defect, "docker")
systemd = partial(Defect, "systemd", answers={"deployment": "systemd"})
kubernetes = partial(Defect, "kubernetes", answers={"deployment": "kubernetes"})


DEFECTS = [
    docker(
        "the app's image runs as root",
        "USER 10001:10001\nHEALTHCHECK --interval=30s --timeout=10s --start-period=30s",
        "HEALTHCHECK --interval=30s --timeout=10s --start-period=30s",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "the base image is not pinned",
        " AS base\n",
        "\nFROM python:3.13-slim AS base\n",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "everything is copied into the image",
        "COPY app app\n",
        "COPY . .\n",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "the secrets go to whoever builds",
        "*\n\n!app\n",
        "!app\n",
        "test_only_listed_files_get_into_an_image",
    ),
    docker(
        "containers keep their capabilities",
        "cap_drop: &capabilities [ALL]",
        "cap_drop: &capabilities [NET_RAW]",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "a set-uid program makes root",
        '&confined ["no-new-privileges:true"]',
        "&confined []",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Nginx may write everywhere",
        "    read_only: true\n"
        "    cap_drop: *capabilities\n"
        "    security_opt: *confined\n"
        "    ulimits: { core: 0, nofile: 8192 }\n",
        "    cap_drop: *capabilities\n"
        "    security_opt: *confined\n"
        "    ulimits: { core: 0, nofile: 8192 }\n",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app's container has the daemon's socket",
        'volumes: [*database, "backups:/srv/app/backups"]',
        'volumes: [*database, "/var/run/docker.sock:/var/run/docker.sock"]',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the store of the limits is on the network",
        '    network_mode: none\n    volumes: ["valkey-socket:/run/valkey"]\n',
        '    ports: ["6379:6379"]\n    volumes: ["valkey-socket:/run/valkey"]\n',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "a killed instance is not restarted",
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
        "test_each_container_matches_the_policy",
    ),
    systemd(
        "requests fail while a killed service starts",
        "umask = 0o117\n",
        "umask = 0o117\nreuse_port = True\n",
        "test_a_kill_loses_only_requests_under_way",
    ),
    systemd(
        "a killed service stays away",
        "Restart=always\n",
        "Restart=on-success\n",
        "test_a_killed_service_is_started_at_once_and_requests_wait",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "a unit may gain rights",
        "NoNewPrivileges=yes\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
    ),
    systemd(
        "injected code can run",
        "MemoryDenyWriteExecute=yes",
        "MemoryDenyWriteExecute=no",
        "test_the_restrictions_of_all_units_match_the_policy",
    ),
    systemd(
        "the backup runs as root",
        "\nUser=",
        "\nUser=root\n#",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-backup.service",
    ),
    systemd(
        "every call of the kernel is open",
        "SystemCallFilter=~@privileged @resources\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "the service has the network",
        "PrivateNetwork=yes\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "everybody on the host may name any address",
        "SocketMode=0660",
        "SocketMode=0666",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.socket",
    ),
    kubernetes(
        "a killed container waits long for its next visitor",
        "periodSeconds: 1\n",
        "periodSeconds: 30\n",
        "test_a_killed_container_is_back_as_soon_as_it_works",
    ),
    kubernetes(
        "a pod may run as root",
        "        runAsNonRoot: true\n",
        "",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "a pod has the token of the cluster",
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: true",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "a pod may write everywhere",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/backup.yaml",
    ),
    kubernetes(
        "the cluster lets in any pod",
        "pod-security.kubernetes.io/enforce: restricted",
        "pod-security.kubernetes.io/enforce: privileged",
        "test_the_cluster_lets_in_restricted_pods_alone",
    ),
    kubernetes(
        "everybody in the cluster reaches the store",
        "  ingress:\n"
        "    - from:\n"
        "        - podSelector:\n"
        "            matchLabels: {app.kubernetes.io/component: web}\n"
        "      ports:\n"
        "        - {protocol: TCP, port: 6379}\n",
        "  ingress:\n    - {}\n",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "the pods' account is the one that the cluster makes",
        "  name: workload\n",
        "  name: default\n",
        "test_a_pod_has_an_account_that_nobody_else_makes",
    ),
    kubernetes(
        "Nginx leaves before a cloud's balancer knows",
        "preStop: {sleep: {seconds: 30}}",
        "preStop: {sleep: {seconds: 10}}",
        "test_a_pod_listens_until_balancers_know_that_it_leaves",
        answers={"deployment": "kubernetes", "database": "postgresql"},
    ),
    kubernetes(
        "a spread by zone where no node has one",
        "          topologyKey: kubernetes.io/hostname\n          whenUnsatisfiable",
        "          topologyKey: topology.kubernetes.io/zone\n          whenUnsatisfiable",
        "test_pods_go_to_other_nodes_where_no_node_has_a_zone",
        answers={"deployment": "kubernetes", "database": "postgresql"},
    ),
    kubernetes(
        "a name takes 20 seconds without DNS",
        '          - {name: timeout, value: "1"}\n',
        "",
        "test_pods_wait_only_seconds_for_dns",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "threads that wait for the database take the pod out of service",
        (
            "exec: {command: [python, deploy/container/healthcheck.py, connect]}\n"
            "            periodSeconds: 10\n"
        ),
        (
            "exec: {command: [python, deploy/container/healthcheck.py, /healthz]}\n"
            "            periodSeconds: 10\n"
        ),
        "test_a_busy_pod_stays_ready",
    ),
    kubernetes(
        "threads that wait for the database restart the pod",
        (
            "exec: {command: [python, deploy/container/healthcheck.py, connect]}\n"
            "            periodSeconds: 20\n"
        ),
        (
            "exec: {command: [python, deploy/container/healthcheck.py, /healthz]}\n"
            "            periodSeconds: 20\n"
        ),
        "test_a_busy_pod_stays_ready",
    ),
    kubernetes(
        "the policy that admits everybody is for every pod",
        "app.kubernetes.io/component: web, overlay: production}",
        "app.kubernetes.io/component: web}",
        "test_an_overlay_opens_ports_for_its_own_pods_only",
    ),
    kubernetes(
        "Ctrl-C leaves SQLite stopped",
        "trap 'exit 130' INT\n",
        "",
        "test_a_signal_leaves_nothing_behind",
        file="deploy/kubernetes/deploy.sh",
    ),
    kubernetes(
        "a lost connection leaves SQLite stopped",
        "trap 'exit 129' HUP\n",
        "",
        "test_a_signal_leaves_nothing_behind",
        file="deploy/kubernetes/deploy.sh",
    ),
    kubernetes(
        "a second Ctrl-C deletes the restore that runs",
        'while [ "$restoring" ]; do\n',
        "restoring=''\nwhile [ \"$action\" = restore ]; do\n",
        "test_a_signal_during_that_ends_the_script_alone",
    ),
    kubernetes(
        "any error passes for a restore that has ended",
        "--output 'jsonpath={.status.active}')\n",
        "--output 'jsonpath={.status.active}') || true\n",
        "test_an_error_of_the_cluster_does_not_mean_that_nothing_runs",
    ),
    kubernetes(
        "any error passes for a migration that has ended",
        "--output 'jsonpath={.status.ready}')\n",
        "--output 'jsonpath={.status.ready}') || true\n",
        "test_an_error_of_the_cluster_does_not_mean_that_nothing_runs",
        answers={"deployment": "kubernetes", "database": "postgresql"},
    ),
    kubernetes(
        "any error passes for a cluster without secrets",
        '    || fail "the cluster does not say whether',
        '    || true "the cluster does not say whether',
        "test_an_error_of_the_cluster_is_no_permission_to_write_new_secrets",
    ),
]
