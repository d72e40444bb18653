import CLinux
import Glibc

/// Takes the ended processes that nobody waits for, where this process is the first of a container (PID 1), as init(1) does.
///
/// Health checks and `podman exec` leave such orphans to it; unreaped they would fill the container's table of processes. The programs that
/// this process starts itself (`fusermount3`, by libfuse) have somebody who waits for them: what has ended is left alone for
/// two looks, and taken only if it is there still.
enum OrphanReaper {
    /// The time between two looks, in seconds.
    private static let pause: UInt32 = 2

    /// Starts the thread that looks, in the first process of a container; elsewhere nothing.
    static func start() {
        guard getpid() == 1 else { return }
        var thread = pthread_t()
        guard
            pthread_create(
                &thread, nil,
                { _ in
                    ProcessState.nameThread("pail-reaper")
                    OrphanReaper.watch()
                    return nil
                }, nil) == 0
        else { return }
        pthread_detach(thread)
    }

    private static func watch() {
        var before: Int32 = 0
        while true {
            let ended = pail_ended_child()
            if ended > 0, ended == before {
                var status: Int32 = 0
                waitpid(ended, &status, WNOHANG)
                before = 0
                // The next one has waited as long.
                let next = pail_ended_child()
                if next > 0 { before = next }
            } else {
                before = max(ended, 0)
            }
            sleep(pause)
        }
    }
}
