#!/bin/sh
# certificates.sh API: the cluster's authorities, certificates and kubeconfigs in this folder; seconds.
set -eu
api=$1
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }

authority() { # NAME COMMON-NAME
    new -x509 -days 30 -subj "/CN=$2" -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1.key" -out "$1.crt"
}

certificate() { # NAME SUBJECT AUTHORITY USAGE [ALTERNATIVE-NAMES]
    new -subj "$2" -keyout "$1.key" -out "$1.csr"
    {
        echo "basicConstraints=critical,CA:FALSE"
        echo "extendedKeyUsage=$4"
        echo "authorityKeyIdentifier=keyid"
        [ -z "${5:-}" ] || echo "subjectAltName=$5"
    } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

configuration() { # NAME: a kubeconfig with the certificate of this name
    c="kubectl --kubeconfig $1.conf config"
    $c set-cluster c --server "$api" --certificate-authority ca.crt --embed-certs >/dev/null
    $c set-credentials u --client-certificate "$1.crt" --client-key "$1.key" --embed-certs >/dev/null
    $c set-context c --cluster c --user u >/dev/null
    $c use-context c >/dev/null
}

if [ "$#" -gt 1 ]; then # certificates.sh API NAME DOMAIN: one for a server outside of Kubernetes
    [ -e outside.crt ] || authority outside "Outside"
    certificate "$2" "/CN=$3" outside serverAuth "DNS:$3"
    exit
fi
authority ca kubernetes
certificate apiserver /CN=kube-apiserver ca serverAuth \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:10.77.0.1"
certificate kubelet-client /O=system:masters/CN=apiserver-kubelet-client ca clientAuth
certificate admin /O=system:masters/CN=admin ca clientAuth
for name in kube-controller-manager kube-scheduler kube-proxy; do
    certificate "$name" "/CN=system:$name" ca clientAuth
done
for name in node1 node2 node3; do
    certificate "$name" "/O=system:nodes/CN=system:node:$name" ca clientAuth
done
openssl genrsa -out accounts.key 2048 2>/dev/null
openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
for name in admin kube-controller-manager kube-scheduler kube-proxy node1 node2 node3; do
    configuration "$name"
done
