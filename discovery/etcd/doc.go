// Package etcd keeps a discovery registry's entries in etcd, for as many processes as there are.
//
//	store, err := etcd.Open("etcd://10.0.0.1:2379,10.0.0.2:2379/duotel", etcd.Config{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer store.Close(context.Background())
//	registry, err := discovery.New(discovery.Config{Store: store})
//
// etcd does not have to be up for that. Under the prefix there is:
//
//	/targets/<group>/<id>   a target as JSON; its modification revision is the generation
//	/alive/<group>/<id>     the last sign of life of a target that nobody holds; its value is the generation
//	/sync/<group>           while a group is being replaced; its modification revision says by whom
//	/removed                written together with each removal on purpose, so that it is told apart from expiry
//
// # Who lives how long
//
// A process has one lease, and all entries that it holds are attached to it. When the process dies, etcd ends them
// within the TTL of the lease. When the lease is lost, because it was revoked or etcd was away for too
// long, a new one is granted and everything that nobody else has registered since is put again, with back-off and
// jitter. An entry that is not held has no lease: the registries that follow judge its signs of life by their own clocks.
//
// # Following
//
// Everything is read at one revision and watched from the next, so nothing can fall between. Where etcd has
// compacted that revision away, everything is read again. etcd is asked each second whether it answers; when it
// does not, the registries keep what they have.
package etcd
