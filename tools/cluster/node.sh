#!/bin/sh
# node.sh NUMBER: one node, the first process of its own process, mount, network and host name namespaces. It
# starts containerd, kubelet, kube-proxy and what enforces NetworkPolicies; when it ends, all of these end.
set -eu
number=$1 name=node$1 data=$CLUSTER/node$1 pki=$CLUSTER/pki
address=10.77.0.1$number hub=10.77.0.1

# Mounts that kubelet makes for a pod have to be seen by containerd; nobody else sees them.
mount --make-rshared /
hostname "$name"
mount -t tmpfs tmpfs /run
mkdir -p "$data/kubelet" "$data/containerd" "$data/logs" "$data/var-lib-kubelet" /var/lib/kubelet /run/cni
mount --bind "$data/var-lib-kubelet" /var/lib/kubelet
echo "127.0.0.1 localhost" >"$data/hosts"
mount --bind "$data/hosts" /etc/hosts
echo "nameserver $hub" >"$data/resolv.conf"

# The cable from the hub, which plugs it in.
until ip link show eth0 >/dev/null 2>&1; do sleep 0.1; done
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$hub"
for other in 1 2 3; do
    [ "$other" = "$number" ] || ip route add "10.244.$other.0/24" via "10.77.0.1$other"
done
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1

# cgroup v1: the root that kubelet wants to find. The command removes these at its end. Those of a node that was
# killed hold no process any more; a machine that lost its power has none, and kubelet takes 3 seconds for each.
group=$(basename "$CLUSTER")-$name
for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    mkdir -p "/sys/fs/cgroup/$controller/$group"
    find "/sys/fs/cgroup/$controller/$group" -mindepth 1 -depth -type d -exec rmdir {} +
done
for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$group/$file"
done
# A machine does not share its processors. With the default (1024), all pods of this node together would get as much
# time as one process outside, and a busy machine would look like a slow service.
echo 16384 >"/sys/fs/cgroup/cpu/$group/cpu.shares"

mkdir -p "/run/net.d" "/run/registries/$hub:5000"
cat >/run/net.d/10-bridge.conflist <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "10.244.$number.0/24"}]],
           "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
cat >"/run/registries/$hub:5000/hosts.toml" <<END
server = "http://$hub:5000"
[host."http://$hub:5000"]
  capabilities = ["pull", "resolve"]
END
cat >"$data/containerd.toml" <<END
version = 3
root = "$data/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$hub:5000/pause:latest"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/run/registries"
[plugins."io.containerd.cri.v1.runtime"]
  enable_unprivileged_ports = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$UNPACKED/usr/lib/cni"]
    conf_dir = "/run/net.d"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "$UNPACKED/usr/sbin/runc"
      SystemdCgroup = false
[plugins."io.containerd.internal.v1.opt"]
  path = "$data/opt"
END
cat >"$data/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$group
authentication: {x509: {clientCAFile: $pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
podLogsDir: $data/logs
volumePluginDir: $data/plugins
evictionHard: {memory.available: 200Mi, nodefs.available: 1%}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
resolvConf: $data/resolv.conf
serializeImagePulls: false
syncFrequency: 10s
nodeStatusUpdateFrequency: 5s
END
cat >"$data/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $pki/kube-proxy.conf}
hostnameOverride: $name
mode: iptables
clusterCIDR: 10.244.0.0/16
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 100ms, syncPeriod: 10s}
END
# kubelet sets these for the whole machine: it gets files of its own in their place, with what it wants to find.
mkdir -p "$data/sys"
printf 1 >"$data/sys/vm.overcommit_memory"
printf 10 >"$data/sys/kernel.panic"
printf 1 >"$data/sys/kernel.panic_on_oops"
printf 1000000 >"$data/sys/kernel.keys.root_maxkeys"
printf 25000000 >"$data/sys/kernel.keys.root_maxbytes"
cat >"$data/kubelet.sh" <<END
mount --make-rprivate /proc
for file in "$data"/sys/*; do mount --bind "\$file" "/proc/sys/\$(basename "\$file" | tr . /)"; done
exec "$PROGRAMS/kubelet" --config "$data/kubelet.yaml" --kubeconfig "$pki/$name.conf" --root-dir "$data/kubelet" \
    --cert-dir "$data/pki" --hostname-override "$name" --node-ip "$address"
END

export PATH="$UNPACKED/usr/sbin:$UNPACKED/usr/bin:$PATH"
containerd --config "$data/containerd.toml" >>"$LOGS/$name-containerd.log" 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
unshare --mount --propagation unchanged sh "$data/kubelet.sh" >>"$LOGS/$name-kubelet.log" 2>&1 &
"$PROGRAMS/kube-proxy" --config "$data/proxy.yaml" >>"$LOGS/$name-proxy.log" 2>&1 &
"$PYTHON" -m tools.cluster.policies "$name" >>"$LOGS/$name-policies.log" 2>&1 &
wait
