#!/bin/sh
# Runs in the root stage, as root: takes away what a server never needs, adds the user it runs as.
set -eu

# Installers: pip, what could bring it back, and what builds packages.
find / -xdev -depth \( -path '*/site-packages/*' -o -path '*/dist-packages/*' \) \
  \( -name pip -o -name 'pip-*' -o -name setuptools -o -name 'setuptools-*' -o -name wheel \
  -o -name 'wheel-*' -o -name pkg_resources -o -name _distutils_hack \) -exec rm -rf {} +
find / -xdev -depth -type d -name ensurepip -exec rm -rf {} +
rm -rf /usr/share/python-wheels /usr/local/bin/pip* /usr/bin/pip*

# Nothing here changes users, so nothing may.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +

rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/cache/ldconfig/* /var/log/* /root/.cache

echo 'openpcc:x:65532:65532:openpcc:/var/lib/openpcc:/usr/sbin/nologin' >>/etc/passwd
echo 'openpcc:x:65532:' >>/etc/group
install -d -m 0755 /etc/openpcc
install -d -m 0700 -o 65532 -g 65532 /var/lib/openpcc
install -m 0755 /tmp/ready.py /usr/local/bin/openpcc-ready
if [ -e /tmp/measure.py ]; then
  install -m 0755 /tmp/measure.py /usr/local/bin/openpcc-measure
fi
rm -f /tmp/*.py /tmp/strip.sh
