#!/bin/sh
# kind.sh: `make cluster` in a cluster of three nodes that kind makes, as root, for .github/workflows/cluster.yml.
# Not tested with kind yet: its images were not available. __main__.py leaves out the scenarios that kind does not
# support (NOT_IN_KIND).
set -eu
cd "$(dirname "$0")/../.."
name=hf-cluster registry=registry:2.8.3 outside_names="database.test identity.test mail.test"
certificates=https://github.com/cert-manager/cert-manager/releases/download/v1.18.2/cert-manager.crds.yaml
folder=$(mktemp -d)
export KUBECONFIG="$folder/admin.conf"

clean() {
    status=$?
    docker rm --force "$name-registry" >/dev/null 2>&1 || true
    kind delete cluster --name "$name" || true
    rm -rf "$folder"
    exit "$status"
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

cat >"$folder/kind.yaml" <<END
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}, {role: worker}]
END
kind create cluster --name "$name" --config "$folder/kind.yaml" --wait 180s

# Where the nodes reach this machine: registry, databases, provider and mail server listen there.
hub=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -m 1 '\.')
docker run --detach --name "$name-registry" --publish "$hub:5000:5000" "$registry"
nodes=
for node in $(kind get nodes --name "$name"); do
    docker exec "$node" mkdir -p "/etc/containerd/certs.d/$hub:5000"
    echo "[host.\"http://$hub:5000\"]" | docker exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/$hub:5000/hosts.toml"
    case $node in *control-plane*) continue ;; esac
    address=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' "$node")
    nodes="$nodes $node=$address"
done

kubectl apply --server-side --filename "$certificates"
kubectl --namespace kube-system get configmap coredns --output yaml \
    | sed "s|^\( *\)ready\$|\1hosts {\n\1    $hub $outside_names\n\1    fallthrough\n\1}\n\1ready|" \
    | kubectl apply --filename -
kubectl --namespace kube-system rollout restart deployment/coredns
kubectl --namespace kube-system rollout status deployment/coredns --timeout 120s

CLUSTER_HUB=$hub CLUSTER_NODES=${nodes# } make cluster DATABASES="${DATABASES:-}" AUTH="${AUTH:-}" ONLY="${ONLY:-}"
