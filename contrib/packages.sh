# What quaywall needs from Debian, by name. Sourced by tests/run and contrib/demo.

build_packages="gcc libc6-dev meson ninja-build pkg-config libnftnl-dev libmnl-dev libyaml-dev
	libjansson-dev libcurl4-openssl-dev libcmocka-dev libseccomp-dev libmicrohttpd-dev"
bed_packages="python3 python3-yaml nftables iptables iproute2 util-linux mount"
test_packages="clang clang-format-14 python3-pytest conntrack debootstrap openssl systemd libclang-rt-dev
	chromium chromium-driver python3-selenium graphviz tidy strace valgrind python3-jsonschema"

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
	for package; do
		installed "$package" || printf ' %s' "$package"
	done
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null
}

# install_packages NAME...: those that are not there. A machine that has all is left alone, and needs
# no network.
install_packages() {
	want=$(missing_of "$@")
	[ -n "$want" ] || return 0
	echo "installing from Debian:$want"
	apt-get update -q </dev/null
	# shellcheck disable=SC2086 # a list of names
	apt_install $want
}

# install_idle NAME...: packages whose services start when they are installed, on the machine's own network.
# Here they must not, so they are told that services do not run for the time of the installation.
install_idle() {
	made=
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
		made=yes
	fi
	status=0
	apt_install "$@" || status=$?
	[ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
	return $status
}

disable() {
	if command -v systemctl >/dev/null; then
		systemctl disable -q "$@" 2>/dev/null || :
	fi
}

# install_engine: docker.io, unless the machine has an engine already, of whatever origin: a second
# package would replace it.
install_engine() {
	[ ! -e /usr/sbin/dockerd ] && [ ! -e /usr/bin/dockerd ] || return 0
	echo "installing from Debian: docker.io (its service is neither started nor enabled)"
	apt-get update -q </dev/null
	engine="docker.io"
	apt-cache show docker-cli >/dev/null 2>&1 && engine="docker.io docker-cli"
	status=0
	# shellcheck disable=SC2086
	install_idle $engine || status=$?
	disable docker.service docker.socket containerd.service
	return $status
}

# install_unstarted PROGRAM PACKAGE: for tests that run it by themselves. The service is called like the package.
install_unstarted() {
	! command -v "$1" >/dev/null || return 0
	echo "installing from Debian: $2 (its service is neither started nor enabled)"
	apt-get update -q </dev/null
	status=0
	install_idle "$2" || status=$?
	disable "$2.service"
	return $status
}

# install_npm: unless the machine has it already, of whatever origin: Debian's conflicts with others. For the one thing
# that tests take from npm's registry, see tests/cli/sarif_schema.py.
install_npm() {
	! command -v npm >/dev/null || return 0
	echo "installing from Debian: npm"
	apt-get update -q </dev/null
	apt_install npm
}

# load_bridge_filter: br_netfilter for the namespaces of the engines. Where it was not loaded before, the
# machine's own bridges go on without it.
load_bridge_filter() {
	[ ! -e /proc/sys/net/bridge ] || return 0
	modprobe br_netfilter 2>/dev/null || return 0
	for name in iptables ip6tables arptables; do
		echo 0 >"/proc/sys/net/bridge/bridge-nf-call-$name"
	done
}
