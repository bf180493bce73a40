#!/bin/sh
# Packages ask this before they restart a service: policy-rc.d SERVICE ACTION. A restart of nginx would
# refuse requests, and one of supervisor would end every process of the site. `laurel upgraded`, which apt
# runs afterwards, hands nginx's sockets on to its new version. supervisor's new version starts at the
# next boot. 101: the action is not allowed.
case ${1%.service} in
nginx | supervisor)
	case $2 in
	restart | try-restart | upgrade) exit 101 ;;
	esac
	;;
esac
exit 0
