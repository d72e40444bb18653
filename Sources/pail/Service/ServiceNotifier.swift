import CLinux
import Glibc
import Synchronization

/// Tells a service manager how a mount's process is: for units with `Type=notify`.
///
/// ``ServiceLife`` says what and when; this class locks, asks, unlocks and sends. A thread of its own looks at the process every few
/// seconds, for as long as it lives. It looks as the kernel does: by a request through the mount that the FUSE threads answer from
/// memory (`security.capability`, see `ExtendedAttributeOperations`). Where those threads hang, the look hangs, nothing is sent any more, and the manager's watchdog
/// ends the process. A store that is away is no reason for that.
final class ServiceNotifier: Sendable {
    private let socket: ServiceSocket
    private let life: Mutex<ServiceLife>
    /// What the manager's socket had no room for, and what must not be lost: told again at the next beat.
    private let untold = Mutex<[String]>([])
    /// The mount point once the mount answers.
    private let mountPoint = Mutex<String?>(nil)

    /// The notifier for the manager that the environment names, and starts its thread; nil where there is none.
    ///
    /// - Parameter drainTimeout: of the mount's end; zero without limit.
    init?(environment: [String: String], drainTimeout: Duration) {
        guard let socket = ServiceSocket(environment: environment) else { return nil }
        self.socket = socket
        let limit = drainTimeout.components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        life = Mutex(
            ServiceLife(
                now: Self.now, drainTimeout: limit.overflow ? 0 : limit.partialValue,
                watchdog: Self.watchdog(environment, process: getpid())))
        startThread()
    }

    /// How often this process is to be heard of, in nanoseconds: `WATCHDOG_USEC`, unless `WATCHDOG_PID` means another one.
    static func watchdog(_ environment: [String: String], process: Int32) -> Int64? {
        if let text = environment["WATCHDOG_PID"], Int32(text) != process { return nil }
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text), microseconds > 0 else {
            return nil
        }
        let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
        return overflow ? nil : nanoseconds
    }

    /// The mount answers.
    func ready(source: String, mountPoint: String) {
        self.mountPoint.withLock { $0 = mountPoint }
        tell(life.withLock { $0.ready(now: Self.now, source: source, mountPoint: mountPoint) })
    }

    /// The mount ends.
    func stop() { tell(life.withLock { $0.stop(now: Self.now) }) }

    /// Sends the lines behind those that could not be sent before.
    private func tell(_ lines: [String]) {
        untold.withLock { untold in
            // A datagram that never waits: held over no disk and no network.
            guard !socket.send(untold + lines) else { return untold.removeAll() }
            untold += lines.filter { ServiceLife.isLasting($0) && !untold.contains($0) }
        }
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The thread ends with the process, and holds the notifier until then.
    private func startThread() {
        var thread = pthread_t()
        let unmanaged = Unmanaged.passRetained(self)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                ProcessState.nameThread("pail-notify")
                Unmanaged<ServiceNotifier>.fromOpaque(argument!).takeRetainedValue().beat()
                return nil
            }, unmanaged.toOpaque())
        if failure == 0 { pthread_detach(thread) } else { unmanaged.release() }
    }

    private func beat() {
        while true {
            let place = mountPoint.withLock { $0 }
            let isAlive = place.map(Self.answers) ?? true
            let (lines, interval) = life.withLock { ($0.heartbeat(now: Self.now, isAlive: isAlive), $0.interval) }
            tell(lines)
            usleep(UInt32(interval / 1000))
        }
    }

    /// Whether the threads of the mount take requests. At the end of the mount it is the directory below that answers: alive as well.
    private static func answers(_ path: String) -> Bool {
        var byte: UInt8 = 0
        return getxattr(path, "security.capability", &byte, 0) >= 0 || errno != ENOTCONN
    }
}
