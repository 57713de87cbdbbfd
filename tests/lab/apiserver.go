package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// apiserver runs kube-apiserver's own command against an etcd on loopback ports that the system chooses.
func apiserver(arguments []string) int {
	dir, own, rest := "", false, []string{}
	for _, argument := range arguments {
		if value, found := strings.CutPrefix(argument, "--etcd-dir="); found {
			dir = value
			continue
		}
		rest = append(rest, argument)
	}
	if dir == "" {
		made, err := os.MkdirTemp("", "lab-etcd-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dir, own = made, true
	}
	// A directory given by the caller is the caller's: it is how a restarted server finds its data again.
	cleanup := func() {
		if own {
			_ = os.RemoveAll(dir)
		}
	}
	go func() {
		<-orphaned()
		cleanup()
		// Nobody is left to serve, so kube-apiserver's graceful shutdown would only cost time.
		os.Exit(0)
	}()
	defer cleanup()

	etcd, endpoint, err := startEtcd(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	defer etcd.Close()
	command := app.NewAPIServerCommand()
	command.SetArgs(append([]string{"--etcd-servers=" + endpoint}, rest...))
	return cli.Run(command)
}

// loopbackURL finds a free loopback port for etcd.
func loopbackURL() (url.URL, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer listener.Close()
	return url.URL{Scheme: "http", Host: listener.Addr().String()}, nil
}

func startEtcd(dir string) (*embed.Etcd, string, error) {
	client, err := loopbackURL()
	if err != nil {
		return nil, "", err
	}
	peer, err := loopbackURL()
	if err != nil {
		return nil, "", err
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, client.String(), nil
	case <-time.After(60 * time.Second):
		etcd.Close()
		return nil, "", fmt.Errorf("etcd was not ready after 60 s")
	}
}
