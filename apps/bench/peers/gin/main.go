// Gin in front of an ants pool: what corogate-server's GET /livez and POST /tasks are compared with.
//
//	corogate-bench-gin [PORT]      0, the default: a free one; printed as the first line
//
// A task does nothing, as with `corogate-server --task-duration 0ms`. 64 run at a time, 4096 wait; what
// does not fit is refused with 503 before anything of the request runs.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"github.com/panjf2000/ants/v2"
)

const limit, queue = 64, 4096

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	pool, err := ants.NewPool(limit, ants.WithMaxBlockingTasks(queue))
	if err != nil {
		fail(err)
	}
	var places atomic.Int64
	waiting := make(chan struct{}, limit+queue)
	go func() { // ants' Submit blocks where all workers are busy: not on the request's time
		for range waiting {
			_ = pool.Submit(func() { places.Add(-1) })
		}
	}()

	gin.SetMode(gin.ReleaseMode)
	routes := gin.New()
	routes.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	routes.POST("/tasks", func(c *gin.Context) {
		count, err := strconv.ParseInt(c.DefaultQuery("count", "1"), 10, 64)
		if err != nil || count < 1 || count > 1_000_000 {
			c.JSON(http.StatusBadRequest, gin.H{"detail": "count is an integer from 1 to 1000000"})
			return
		}
		if places.Add(count) > limit+queue {
			places.Add(-count)
			c.Header("Retry-After", "1")
			c.JSON(http.StatusServiceUnavailable, gin.H{"reason": "queue-full", "executed": false})
			return
		}
		for i := int64(0); i < count; i++ {
			waiting <- struct{}{}
		}
		c.JSON(http.StatusOK, gin.H{"message": fmt.Sprintf("%d tasks submitted successfully", count)})
	})

	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fail(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	fail(http.Serve(listener, routes))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "corogate-bench-gin:", err)
	os.Exit(1)
}
