#!/usr/bin/env bash
# A Slurm of this machine alone, for tests, without touching one that is installed:
#
#     one-slurm.sh start FOLDER    starts the daemons; their files, keys and logs are in FOLDER
#     one-slurm.sh stop FOLDER     ends them
#
# Commands such as sbatch need SLURM_CONF=FOLDER/slurm.conf. Exit code 3 says that Slurm is not there
# and cannot be installed. Everything runs as the user who starts it; processes are tracked by their
# parents, so that no cgroups are needed.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
action="${1:?start or stop}"
folder="${2:?a folder}"

missing() {
    for tool in sbatch slurmctld slurmd munged; do
        command -v "$tool" >/dev/null || return 0
    done
    return 1
}

# Returns once the daemons are gone: slurmctld saves its state when it is told to end, and whoever
# removes the folder meanwhile finds new files in it.
stop() {
    local daemon pid
    for daemon in slurmd slurmctld munged; do
        [ -s "$folder/$daemon.pid" ] || continue
        pid="$(cat "$folder/$daemon.pid")"
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
        rm -f "$folder/$daemon.pid"
    done
}

start() {
    if missing && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # Debian's packages would start daemons of their own where there is an init system.
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy \
            --no-install-recommends slurmctld slurmd slurm-client munge; } >/dev/null 2>&1 || true
    fi
    if missing; then
        echo "no Slurm here, and none that could be installed" >&2
        exit 3
    fi
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    folder="$(cd "$folder" && pwd)"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munge.seed"
    local host memory
    host="$(hostname -s)"
    memory=$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) / 1024))
    cat >"$folder/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=tests Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$folder/slurm.conf"
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if [ "$(sinfo -h -o %T 2>/dev/null | head -n 1)" = idle ]; then
            return
        fi
        sleep 0.5
    done
    echo "the node did not become idle: see the logs" >&2
    tail -n 5 "$folder"/*.log >&2
    stop
    exit 1
}

"$action"
