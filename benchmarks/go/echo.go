// An echo as Go's users write it: a goroutine per connection. The runtime uses as many cores as the
// process may, and TCP_NODELAY is on, without being asked for either.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
)

// The size of every baseline's read buffer.
const readBuffer = 64 << 10

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1; 0 asks for a free one")
	flag.Parse()
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "listening on tcp://%s\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, readBuffer)
	for {
		length, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:length]); err != nil {
			return
		}
	}
}
