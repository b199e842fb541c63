"""Kubernetes: manifests, and what the scripts write and run.

Written from the sources alone, before the tests."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

kubernetes = partial(Defect, "kubernetes", answers={"deployment": "kubernetes"})
postgresql = partial(kubernetes, answers={"deployment": "kubernetes", "database": "postgresql"})
oidc = partial(kubernetes, answers={"deployment": "kubernetes", "auth": "oidc"})

DEFECTS = [
    kubernetes(
        "the app runs as root",
        "runAsUser: 10001",
        "runAsUser: 0",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "the backup may run as root",
        "runAsNonRoot: true",
        "runAsNonRoot: false",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/backup.yaml",
    ),
    kubernetes(
        "Valkey gains privileges",
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/valkey.yaml",
    ),
    kubernetes(
        "Valkey is privileged",
        "allowPrivilegeEscalation: false",
        "privileged: true",
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/valkey.yaml",
    ),
    kubernetes(
        "Valkey writes its root",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/valkey.yaml",
    ),
    kubernetes(
        "Valkey keeps a capability",
        "capabilities: {drop: [ALL]}",
        "capabilities: {drop: [ALL], add: [NET_RAW]}",
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/valkey.yaml",
    ),
    kubernetes(
        "any call of the kernel",
        "seccompProfile: {type: RuntimeDefault}",
        "seccompProfile: {type: Unconfined}",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "root in the pod is root on the node",
        "      hostUsers: false  #",
        "      #",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "a folder of the node",
        "emptyDir: {medium: Memory, sizeLimit: 16Mi}",
        "hostPath: {path: /tmp}",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/valkey.yaml",
    ),
    kubernetes(
        "the network of the node",
        "      hostUsers: false\n",
        ("      hostUsers: false\n      hostNetwork: true\n"),
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/migrate.yaml",
    ),
    kubernetes(
        "containers see each other's processes",
        "      hostUsers: false  #",
        "      shareProcessNamespace: true\n      hostUsers: false  #",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "the account has a token",
        "  name: workload\nautomountServiceAccountToken: false",
        "  name: workload\nautomountServiceAccountToken: true",
        "test_the_cluster_lets_in_restricted_pods_alone",
        file="deploy/kubernetes/base/namespace.yaml",
    ),
    kubernetes(
        "the account rules the cluster",
        "  name: workload\nautomountServiceAccountToken: false\n",
        (
            "  name: workload\nautomountServiceAccountToken: false\n"
            "---\n"
            "apiVersion: rbac.authorization.k8s.io/v1\n"
            "kind: ClusterRoleBinding\n"
            "metadata: {name: workload}\n"
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "
            "cluster-admin}\n"
            "subjects: [{kind: ServiceAccount, name: workload, namespace: default}]\n"
        ),
        "test_only_workloads_of_the_policy_run",
        file="deploy/kubernetes/base/namespace.yaml",
    ),
    kubernetes(
        "other pods may do more",
        "enforce: restricted",
        "enforce: baseline",
        "test_the_cluster_lets_in_restricted_pods_alone",
    ),
    kubernetes(
        "pods connect to everything",
        "policyTypes: [Ingress, Egress]",
        "policyTypes: [Ingress]",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "every pod reaches Valkey",
        (
            "    - from:\n"
            "        - podSelector:\n"
            "            matchLabels: {app.kubernetes.io/component: web}\n"
        ),
        ("    - from:\n        - namespaceSelector: {}\n"),
        "test_pods_connect_only_to_targets_of_the_policy",
        file="deploy/kubernetes/base/network.yaml",
    ),
    kubernetes(
        "the app reaches every pod",
        (
            "    - to:\n"
            "        - podSelector:\n"
            "            matchLabels: {app.kubernetes.io/component: valkey}\n"
        ),
        ("    - to:\n        - podSelector: {}\n"),
        "test_pods_connect_only_to_targets_of_the_policy",
        file="deploy/kubernetes/base/network.yaml",
    ),
    kubernetes(
        "names are asked for anywhere",
        (
            "    - to:\n"
            "        - namespaceSelector:\n"
            "            matchLabels: {kubernetes.io/metadata.name: kube-system}\n"
            "          podSelector:\n"
            "            matchLabels: {k8s-app: kube-dns}\n"
            "      ports:"
        ),
        "    - ports:",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "every pod forges addresses",
        (
            "        - namespaceSelector:\n"
            "            matchLabels: {kubernetes.io/metadata.name: envoy-gateway-system}  # "
            "where its pods run\n"
        ),
        "        - namespaceSelector: {}\n",
        "test_an_overlay_opens_ports_for_its_own_pods_only",
    ),
    kubernetes(
        "every port is open to the internet",
        (
            "    - ports:\n"
            "        - {protocol: TCP, port: 8080}\n"
            "        - {protocol: TCP, port: 8443}\n"
        ),
        "    - {}\n",
        "test_an_overlay_opens_ports_for_its_own_pods_only",
        file="deploy/kubernetes/overlays/production/network.yaml",
    ),
    kubernetes(
        "the whole internet is trusted with addresses",
        "set_real_ip_from 10.0.0.0/8;",
        "set_real_ip_from 0.0.0.0/0;",
        "test_client_addresses_are_trusted_only_from_the_cluster",
    ),
    kubernetes(
        "one address for all clients",
        "externalTrafficPolicy: Local",
        "externalTrafficPolicy: Cluster",
        "test_an_overlay_changes_what_the_policy_names",
        file="deploy/kubernetes/overlays/production/service.yaml",
    ),
    kubernetes(
        "Valkey has a port on each node",
        "  selector: {app.kubernetes.io/component: valkey}\n",
        ("  type: NodePort\n  selector: {app.kubernetes.io/component: valkey}\n"),
        "test_services_of_the_cluster_expose_only_the_listed_ports",
    ),
    kubernetes(
        "plain HTTP inside the cluster",
        ("    - backendRefs:\n        - {name: web, port: 443}\n"),
        ("    - backendRefs:\n        - {name: web, port: 80}\n"),
        "test_tls_reaches_the_pod_behind_a_gateway",
    ),
    kubernetes(
        "the gateway checks another name",
        ("  validation:\n    wellKnownCACertificates: System\n    hostname: {slug}.example.com\n"),
        ("  validation:\n    wellKnownCACertificates: System\n    hostname: example.org\n"),
        "test_tls_reaches_the_pod_behind_a_gateway",
    ),
    kubernetes(
        "Valkey is the latest",
        "valkey:8.1@sha256:640c5e62cea04b6d6f2084232651d0cc70362d31f4f805e7be94dbed6855e8f2",
        "valkey:latest",
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "the release is a tag",
        (
            "/app\n"
            "    digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n"
        ),
        ("/app\n    newTag: latest\n"),
        "test_a_release_is_a_digest",
    ),
    kubernetes(
        "the check of Valkey always succeeds",
        "[sh, -c, \"valkey-cli -t 3 ping | grep -Eq 'PONG|NOAUTH'\"]",
        '["true"]',
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "an outage of the database restarts all pods",
        (
            "exec: {command: [python, deploy/container/healthcheck.py, connect]}\n"
            "            periodSeconds: 20\n"
        ),
        (
            "exec: {command: [python, deploy/container/healthcheck.py, /readyz]}\n"
            "            periodSeconds: 20\n"
        ),
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "a bad release replaces a good one",
        (
            "exec: {command: [python, deploy/container/healthcheck.py, /readyz]}\n"
            "            periodSeconds: 1\n"
        ),
        (
            "exec: {command: [python, deploy/container/healthcheck.py, connect]}\n"
            "            periodSeconds: 1\n"
        ),
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "Nginx gets the secrets of the app",
        "            - {name: nginx-tmp, mountPath: /tmp}\n",
        (
            "            - {name: nginx-tmp, mountPath: /tmp}\n"
            "            - {name: secrets, mountPath: /run/secrets/app, readOnly: true}\n"
        ),
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "the app gets the key of the certificate",
        "            - {name: app-tmp, mountPath: /tmp}\n",
        (
            "            - {name: app-tmp, mountPath: /tmp}\n"
            "            - {name: certificate, mountPath: /run/secrets/tls, readOnly: true}\n"
        ),
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "everybody reads the secrets",
        "{secretName: web, defaultMode: 0440}",
        "{secretName: web, defaultMode: 0444}",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "secrets are variables",
        "            - configMapRef: {name: settings}\n",
        ("            - configMapRef: {name: settings}\n            - secretRef: {name: web}\n"),
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/web.yaml",
    ),
    kubernetes(
        "the key among the settings",
        "REDIS_PRIVATE_HOST=valkey\n",
        ("REDIS_PRIVATE_HOST=valkey\nSECRET_KEY=3f2a9c7e5b1d4860a2c4e6f8091b3d5f\n"),
        "test_the_base_generates_settings_alone",
        file="deploy/kubernetes/base/settings.env",
    ),
    kubernetes(
        "the key of the certificate on a disk",
        "emptyDir: {medium: Memory, sizeLimit: 1Mi}",
        "emptyDir: {sizeLimit: 1Mi}",
        "test_each_pod_matches_the_policy",
    ),
    kubernetes(
        "Valkey takes all memory",
        "            limits: {cpu: 500m, memory: 192Mi, ephemeral-storage: 64Mi}\n",
        "",
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "Valkey asks for no password",
        "aclfile /run/secrets/valkey/users.acl\n",
        "",
        "test_valkey_asks_for_a_password",
    ),
    kubernetes(
        "Valkey's user may do everything",
        "+@all -@admin -@dangerous",
        "+@all",
        "test_only_the_operator_reads_the_secrets",
    ),
    kubernetes(
        "Valkey's user without a password",
        "default on >$password",
        "default on nopass",
        "test_only_the_operator_reads_the_secrets",
    ),
    kubernetes(
        "a flood evicts counters",
        "maxmemory-policy noeviction",
        "maxmemory-policy allkeys-lru",
        "test_valkey_asks_for_a_password",
        file="deploy/kubernetes/base/valkey.conf",
    ),
    kubernetes(
        "everybody reads secrets that the script writes",
        "umask 077\n",
        "",
        "test_only_the_operator_reads_the_secrets",
        file="deploy/kubernetes/secrets.sh",
    ),
    kubernetes(
        "everybody reads a backup that was fetched",
        "        umask 077\n",
        "",
        "test_only_the_operator_reads_a_backup",
        file="deploy/kubernetes/backups.sh",
    ),
    kubernetes(
        "short keys",
        "head -c 48 /dev/urandom",
        "head -c 8 /dev/urandom",
        "test_only_the_operator_reads_the_secrets",
    ),
    kubernetes(
        "the key on a command line",
        "apply --kustomize secrets\n# A pod",
        (
            'k create secret generic web --from-literal="SECRET_KEY=$(cat secrets/SECRET_KEY)"\n'
            "# A pod"
        ),
        "test_a_deployment_is_these_steps",
    ),
    kubernetes(
        "the service before the migration",
        "notin (web,mail,valkey,migrate)",
        "notin (mail,valkey,migrate)",
        "test_a_deployment_is_these_steps",
    ),
    kubernetes(
        "a failed migration is not noticed",
        '    if [ "$result" != 0 ]; then\n',
        '    if [ "$result" = 99 ]; then\n',
        "test_a_migration_that_fails_is_the_last_step",
    ),
    kubernetes(
        "a secret is committed",
        "*\n",
        "*.new\n",
        "test_each_secret_has_its_files",
        file="deploy/kubernetes/secrets/.gitignore",
    ),
    kubernetes(
        "a backup each month",
        'schedule: "17 2 * * *"',
        'schedule: "17 2 1 * *"',
        "test_a_backup_is_written_each_night",
    ),
    kubernetes(
        "the image runs as root",
        ("USER 10001:10001\nHEALTHCHECK --interval=30s --timeout=10s --start-period=30s"),
        "HEALTHCHECK --interval=30s --timeout=10s --start-period=30s",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    # --- The pod that sends mail
    kubernetes(
        "the pod that sends mail runs as root",
        "runAsUser: 10001",
        "runAsUser: 0",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/mail.yaml",
    ),
    kubernetes(
        "the account of the pod that sends mail has a token",
        "  name: mail\nautomountServiceAccountToken: false",
        "  name: mail\nautomountServiceAccountToken: true",
        "test_the_cluster_lets_in_restricted_pods_alone",
    ),
    kubernetes(
        "the web process gets the password of the mail server",
        "      - REDIS_URL\n",
        "      - REDIS_URL\n      - MAIL_URL\n",
        "test_each_secret_has_its_files",
    ),
    kubernetes(
        "the password of the mail server is a variable",
        "{name: MAIL_URL_FILE, value: /run/secrets/mail/MAIL_URL}",
        "{name: MAIL_URL, valueFrom: {secretKeyRef: {name: mail, key: MAIL_URL}}}",
        "test_each_container_matches_the_policy",
    ),
    kubernetes(
        "the password of the mail server on a command line",
        'then write MAIL_URL "$value"; fi',
        'then sh -c \'echo "$1" >MAIL_URL\' sh "$value"; fi',
        "test_only_the_operator_reads_the_secrets",
    ),
    kubernetes(
        "a new password of the mail server is not read",
        "for name in web mail valkey; do\n    version",
        "for name in web valkey; do\n    version",
        "test_a_deployment_is_these_steps",
    ),
    kubernetes(
        "every port of the mail server's address is open",
        "        - {protocol: TCP, port: 587}\n",
        "        - {protocol: TCP, port: 587, endPort: 65535}\n",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "every pod sends mail",
        "    matchLabels: {app.kubernetes.io/component: mail}\n  policyTypes: [Egress]\n",
        "    matchLabels: {}\n  policyTypes: [Egress]\n",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "every pod connects to the one that sends mail",
        "    matchLabels: {app.kubernetes.io/component: mail}\n  policyTypes: [Egress]\n",
        (
            "    matchLabels: {app.kubernetes.io/component: mail}\n"
            "  policyTypes: [Egress, Ingress]\n"
            "  ingress: [{}]\n"
        ),
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "a process that hangs sends no mail any more",
        "livenessProbe: &heartbeat\n            exec:\n              command: [sh, -c, 'test \"$(",
        "livenessProbe: &heartbeat\n            exec:\n              command: [sh, -c, 'true \"$(",
        "test_the_process_that_sends_mail_is_restarted_when_it_hangs",
    ),
    kubernetes(
        "an update cuts off a mail",
        "terminationGracePeriodSeconds: 90",
        "terminationGracePeriodSeconds: 30",
        "test_a_mail_that_is_being_sent_comes_to_its_end",
    ),
    kubernetes(
        "the pod that sends mail is on another node than the file",
        "labelSelector: {matchLabels: {app.kubernetes.io/component: web}}",
        "labelSelector: {matchLabels: {app.kubernetes.io/component: valkey}}",
        "test_the_pods_with_the_file_are_on_one_node",
        file="deploy/kubernetes/base/mail.yaml",
    ),
    # --- The backup before a migration
    kubernetes(
        "no backup before a migration",
        '    back_up\n    say "Migration"\n',
        '    say "Migration"\n',
        "test_an_update_begins_with_a_backup",
    ),
    kubernetes(
        "the service stops before its backup",
        '    back_up\n    say "Migration"\n',
        '    k scale deployment/web --replicas 0\n    back_up\n    say "Migration"\n',
        "test_an_update_begins_with_a_backup",
    ),
    kubernetes(
        "a failed backup is not noticed",
        '        || fail "the backup did not',
        '        || say "the backup did not',
        "test_a_backup_that_fails_is_the_last_step",
    ),
    kubernetes(
        "the file of the migration is in use by the pod that sends mail",
        "    for deployment in $deployed; do\n",
        "    for deployment in deployment.apps/web; do\n",
        "test_an_update_begins_with_a_backup",
    ),
    postgresql(
        "no backup before the migration of a server",
        'back_up\nsay "Migration"\n',
        'say "Migration"\n',
        "test_an_update_begins_with_a_backup",
    ),
    postgresql(
        "the pod that sends mail may change tables",
        "        - name: mail\n          secret: {secretName: mail, defaultMode: 0440}\n",
        (
            "        - name: mail\n          secret: {secretName: mail, defaultMode: 0440}\n"
            "        - name: migration\n"
            "          secret: {secretName: migration, defaultMode: 0440}\n"
        ),
        "test_each_pod_matches_the_policy",
    ),
    postgresql(
        "the app may change tables",
        "      - DATABASE_URL\n",
        ("      - DATABASE_URL\n      - MIGRATION_DATABASE_URL\n"),
        "test_each_secret_has_its_files",
    ),
    postgresql(
        "the mail process gets the role of the app",
        "              - {key: REDIS_URL, path: REDIS_URL}\n",
        "              - {key: REDIS_URL, path: REDIS_URL}\n"
        "              - {key: DATABASE_URL, path: DATABASE_URL}\n",
        "test_each_pod_matches_the_policy",
    ),
    postgresql(
        "whoever migrates gets the password of the mail server",
        "            items: [{key: MAIL_DATABASE_URL, path: MAIL_DATABASE_URL}]\n",
        "",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/migrate.yaml",
    ),
    postgresql(
        "an update gives the mail process a role that nobody makes",
        "[ -s DATABASE_URL ] && [ -s ADMIN_DATABASE_URL ]; then",
        "[ -s DATABASE_URL ]; then",
        "test_a_service_from_before_the_role_of_mail_gets_one",
    ),
    postgresql(
        "the migration's container gets the administrator",
        ("            - {name: tmp, mountPath: /tmp}\n      volumes:\n"),
        (
            "            - {name: tmp, mountPath: /tmp}\n"
            "            - {name: admin, mountPath: /run/secrets/admin}\n"
            "      volumes:\n"
        ),
        "test_each_container_matches_the_policy",
        file="deploy/kubernetes/base/migrate.yaml",
    ),
    postgresql(
        "the backup gets the administrator",
        "secret: {secretName: migration, defaultMode: 0440}",
        "secret: {secretName: admin, defaultMode: 0440}",
        "test_each_pod_matches_the_policy",
        file="deploy/kubernetes/base/backup.yaml",
    ),
    postgresql(
        "the app reaches any server",
        "        - ipBlock: {cidr: 192.0.2.10/32}\n",
        "        - ipBlock: {cidr: 0.0.0.0/0}\n",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    postgresql(
        "the administrator stays in the cluster",
        "    : >secrets/ADMIN_DATABASE_URL\n",
        "",
        "test_a_deployment_is_these_steps",
    ),
    oidc(
        "the client secret in the settings",
        "OIDC_CLIENT_ID=\n",
        ("OIDC_CLIENT_ID=\nOIDC_CLIENT_SECRET=\n"),
        "test_the_base_generates_settings_alone",
    ),
    oidc(
        "the app reaches every port of the provider",
        (
            "        - ipBlock: {cidr: 192.0.2.20/32}\n"
            "      ports:\n"
            "        - {protocol: TCP, port: 443}\n"
        ),
        "        - ipBlock: {cidr: 192.0.2.20/32}\n",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "half of all addresses are yours",
        "cidr: 192.0.2.30/32",
        "cidr: 128.0.0.0/1",
        "test_pods_connect_only_to_targets_of_the_policy",
    ),
    kubernetes(
        "a pod reaches the metadata of the cloud",
        "cidr: 192.0.2.30/32",
        "cidr: 169.254.169.254/32",
        "test_no_pod_reaches_the_metadata_of_the_cloud",
    ),
    kubernetes(
        "a hook opens the folder of the heartbeat",
        "          livenessProbe: &heartbeat\n",
        (
            "          lifecycle: {postStart: {exec: {command: [sh, -c, 'chmod 777 /tmp']}}}\n"
            "          livenessProbe: &heartbeat\n"
        ),
        "test_operation_opens_no_way_in",
    ),
    kubernetes(
        "a stranger says where the mail server is",
        "      dnsConfig:\n",
        "      dnsConfig:\n        nameservers: [203.0.113.5]\n",
        "test_operation_opens_no_way_in",
        file="deploy/kubernetes/base/mail.yaml",
    ),
    kubernetes(
        "every network of the node reaches Valkey",
        "containerPort: 6379}",
        "containerPort: 6379, hostPort: 6379}",
        "test_operation_opens_no_way_in",
    ),
    kubernetes(
        "a setting is the code that Python runs first",
        "REDIS_PRIVATE_HOST=valkey\n",
        "REDIS_PRIVATE_HOST=valkey\nPYTHONPATH=/tmp\n",
        "test_the_base_generates_settings_alone",
        file="deploy/kubernetes/base/settings.env",
    ),
    kubernetes(
        "a pod that hangs is never restarted",
        (
            "connect]}\n"
            "            periodSeconds: 20\n"
            "            timeoutSeconds: 10\n"
            "            failureThreshold: 6\n"
        ),
        (
            "connect]}\n"
            "            periodSeconds: 20\n"
            "            timeoutSeconds: 10\n"
            "            failureThreshold: 100000\n"
        ),
        "test_each_container_matches_the_policy",
    ),
]
