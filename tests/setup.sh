#!/usr/bin/env bash
# Brings what the tests need: real servers, a C compiler for -race, load tools,
# and Kafka's jars. On Debian and Ubuntu it installs packages (as root, or with
# sudo that asks nothing); elsewhere it uses what is there and names what is
# missing. It says what it installs, and does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# Kafka 4 needs Java 17. "17.0.15" and "21" are both forms of a version.
java_is_new() {
  has java || return 1
  local major
  major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -1)
  [ "${major:-0}" -ge 17 ]
}

packages=()
has redis-server || packages+=(redis-server)
has redis-cli    || packages+=(redis-tools)
has nginx        || packages+=(nginx-light)
has wrk          || packages+=(wrk)
has curl         || packages+=(curl)
has openssl      || packages+=(openssl)
has gcc          || packages+=(gcc libc6-dev)
has mvn          || packages+=(maven)
java_is_new      || packages+=(java)

if [ ${#packages[@]} -gt 0 ]; then
  if ! has apt-get || ! root true 2>/dev/null; then
    echo "setup: please install: ${packages[*]} (java means version 17 or later)" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  echo "setup: apt-get update"
  root apt-get update -qq </dev/null
  for i in "${!packages[@]}"; do
    if [ "${packages[$i]}" = java ]; then
      packages[i]=default-jre-headless # too old where there is still a package of its own for 17
      if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then packages[i]=openjdk-17-jre-headless; fi
    fi
  done
  echo "setup: apt-get install ${packages[*]}"
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >/dev/null
fi

# Kafka has no package; its jars come from Maven Central, once per version.
pom=tests/servers/kafka/pom.xml
libs=.cache/kafka/libs
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$pom")
if [ ! -e "$libs/.complete-$version" ]; then
  echo "setup: Kafka $version from Maven Central into $libs"
  rm -rf "$libs"
  mvn -B -ntp -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$PWD/$libs" </dev/null |
    sed 's/\x1b\[[0-9;]*m//g' # it colours even its silence
  [ -e "$libs/kafka_2.13-$version.jar" ] || { echo "setup: Maven brought no Kafka $version" >&2; exit 1; }
  touch "$libs/.complete-$version"
fi
echo "setup: all there"
