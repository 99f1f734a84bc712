#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machine: loads the modules, makes the host's root its own, and
# runs what the host asks for over the second serial line: a line with a name, for which the host has
# put NAME.sh on the share; NAME.log gets the output, and the line "NAME STATUS" goes back.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

while read -r module; do
  parameters=
  [ "$module" != nvme.ko ] || parameters=poll_queues=2
  # shellcheck disable=SC2086  # No parameter at all when there is none.
  insmod "/modules/$module" $parameters || echo "init: cannot load $module"
done </modules/order

# The host changes nothing of its root that the machine has read, so that may be cached; the share it
# does change. What is written to the root goes to memory.
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host || poweroff -f
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none out /out || poweroff -f
mount -t tmpfs tmpfs /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/host,upperdir=/upper/files,workdir=/upper/work overlay /root ||
  poweroff -f
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/shm
mount -t tmpfs tmpfs /root/dev/shm
mount -t tmpfs tmpfs /root/run
mount -t tmpfs tmpfs /root/mnt
mkdir /root/mnt/out /root/mnt/tmp /root/mnt/pmem /root/mnt/disk
mount -o bind /out /root/mnt/out
ip link set lo up

stty -F /dev/ttyS1 raw -echo
ulimit -l unlimited
exec </dev/ttyS1 >/dev/ttyS1
echo ready
while read -r name; do
  [ "$name" != poweroff ] || break
  chroot /root /usr/bin/env -i HOME=/mnt TMPDIR=/mnt/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /bin/bash "/mnt/out/$name.sh" </dev/null >"/out/$name.log" 2>&1
  echo "$name $?"
done
umount /root/mnt/pmem /root/mnt/disk 2>/dev/null
sync
poweroff -f
