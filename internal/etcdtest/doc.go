// Package etcdtest holds the tests of discovery/etcd against the real server, embedded. It is a module of its own
// so that nobody who uses the library has the server among the modules to be read.
package etcdtest
