import FoundationEssentials
import Glibc
public import Logging
import Synchronization

/// The volumes of this machine: what the calls of the plugin's protocol do.
///
/// **Design.** Each volume is a ``VolumeMachine`` with a queue: calls on one volume follow one another in order of arrival, calls on different volumes know
/// nothing of each other, so a store that does not answer holds up its own volumes only. What is asked about volumes is answered from what the last
/// completed call has left, without a turn in any queue.
///
/// After a start, and every 15 s from then on, each volume that somebody has mounted is looked at: a mount that died is mounted anew. Podman asks for a mount
/// only once for all of a volume's containers, so nobody else would.
///
/// **Limits.** A container that runs while its mount dies keeps the dead one: what it was given is that mount, not the path. It must be started anew.
public final class VolumeDriver: Sendable {
    /// A volume as it is told of.
    public struct Description: Sendable, Equatable {
        /// Its name.
        public var name: String
        /// Where it is mounted; empty where nobody has it mounted.
        public var mountPoint: String
        /// In the form of RFC 3339.
        public var createdAt: String
        /// How many have it mounted.
        public var users: Int
        /// As they were given at its creation; none is a secret.
        public var options: [String: String]
    }

    /// One volume. The machine is touched by the calls in its queue only, one at a time.
    private final class Volume: @unchecked Sendable {
        var machine: VolumeMachine
        init(_ machine: VolumeMachine) { self.machine = machine }
    }

    /// What is known of a volume outside of its queue.
    private struct Entry: Sendable {
        let volume: Volume
        /// The record as the last call has left it; nil before the first and after the last.
        var record: VolumeRecord?
        /// The end of the queue.
        var tail: Task<Void, Never>?
        var waiting = 0
        /// The number of the last call of Mount by each ID that has one.
        var mountCalls: [String: Int] = [:]
    }

    private let folder: VolumeFolder
    private let root: String
    private let host: any VolumeHost
    private let bootID: String
    private let logger: Logger
    private let entries: Mutex<[VolumeName: Entry]>
    /// Of Mount; see ``takeBack(_:)``.
    private let lastCall = Atomic<Int>(0)
    private let unreadable: [String: String]
    /// Checks the options of a new volume.
    private let check: MountProcesses.Arguments

    /// How long a call of Unmount waits for what is still to be stored. Podman waits for 5 s in all, and takes more for a failure.
    private let patience: Duration

    /// Reads the volumes of the folder.
    /// - Parameters:
    ///   - root: the directory that the volumes are mounted in, each under its name; made where it is missing.
    ///   - check: says what `pail mount` is to be told for options, or why they are refused.
    /// - Throws: ``VolumeRefusal`` where the folder or the root cannot be used.
    public convenience init(
        folder: VolumeFolder, root: String, processes: MountProcesses, logger: Logger,
        check: @escaping MountProcesses.Arguments
    ) throws(VolumeRefusal) {
        var part = ""
        for component in root.split(separator: "/") {
            part += "/" + component
            // Whoever runs in a container may go through to its own mount.
            guard mkdir(part, 0o711) == 0 || errno == EEXIST else {
                throw VolumeRefusal("\(part) cannot be made: \(String(cString: strerror(errno)))")
            }
        }
        // The kernel's table has paths without symbolic links.
        guard let real = realpath(root, nil) else {
            throw VolumeRefusal("\(root) cannot be used: \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        try self.init(
            folder: folder, root: String(cString: real), host: processes, bootID: Self.currentBoot(), logger: logger,
            patience: .seconds(3), check: check)
    }

    init(
        folder: VolumeFolder, root: String, host: any VolumeHost, bootID: String, logger: Logger, patience: Duration,
        check: @escaping MountProcesses.Arguments
    ) throws(VolumeRefusal) {
        let content = try folder.load()
        for problem in content.unreadable.values.sorted() { logger.error("\(problem)") }
        var entries: [VolumeName: Entry] = [:]
        for record in content.records {
            let machine = VolumeMachine(record: record, bootID: bootID)
            entries[try VolumeName(record.name)] = Entry(volume: Volume(machine), record: record)
        }
        self.folder = folder
        self.root = root
        self.host = host
        self.bootID = bootID
        self.logger = logger
        self.entries = Mutex(entries)
        self.unreadable = content.unreadable
        self.patience = patience
        self.check = check
    }

    // MARK: Calls

    /// Makes a volume; nothing where it is there with the same options.
    public func create(_ name: VolumeName, options: [String: String]) async throws(VolumeRefusal) {
        _ = try check(options)
        let record = VolumeRecord(
            name: name, options: options, createdAt: Date.now.formatted(.iso8601), bootID: bootID)
        try await call(name, .create(record))
    }

    /// A mount that was made for somebody.
    public struct Grant: Sendable {
        /// Where the volume is mounted.
        public var path: String
        let name: VolumeName
        let id: String
        let call: Int
    }

    /// Mounts a volume for somebody, unless others have it mounted.
    public func mount(_ name: VolumeName, id: String) async throws(VolumeRefusal) -> Grant {
        if let reason = unreadable[name.description] { throw VolumeRefusal(reason) }
        let (task, call) = entries.withLock { entries in
            let task = enqueue(name, .mount(id: id), &entries)
            return (task, entries[name]?.mountCalls[id] ?? 0)
        }
        try await task.value.get()
        return Grant(path: path(of: name), name: name, id: id, call: call)
    }

    /// Takes a mount back whose answer nobody has taken: the engine gave up waiting, and will not unmount what it does not know of. Not where the same ID has called
    /// again meanwhile: Podman has one ID for all.
    public func takeBack(_ grant: Grant) {
        let isLast = entries.withLock { entries in
            guard entries[grant.name]?.mountCalls[grant.id] == grant.call else { return false }
            // Its turn is before that of any call from here on.
            _ = enqueue(grant.name, .unmount(id: grant.id), &entries)
            return true
        }
        if isLast { logger.notice("Nobody waited for the mount of the volume \(grant.name): taken back") }
    }

    /// Takes a volume back from somebody, and away where nobody else has it. Returns once it is written down that it is taken back, and what is still to be
    /// stored has had 3 s: the next call on the volume waits for the rest.
    public func unmount(_ name: VolumeName, id: String) async throws(VolumeRefusal) {
        let task = enqueue(name, .unmount(id: id))
        let outcome = await withCheckedContinuation {
            (waiter: CheckedContinuation<Result<Void, VolumeRefusal>, Never>) in
            let answer = FirstAnswer(waiter)
            let alarm = Task { [self] in
                // Again where the disk takes longer than that to write it down.
                while (try? await Task.sleep(for: patience)) != nil {
                    let record = entries.withLock { $0[name]?.record }
                    if let record, !record.references.contains(id) { return answer.give(.success(())) }
                }
            }
            Task {
                answer.give(await task.value)
                alarm.cancel()
            }
        }
        try outcome.get()
    }

    /// Removes a volume that nobody has mounted. What is in the bucket stays.
    public func remove(_ name: VolumeName) async throws(VolumeRefusal) { try await call(name, .remove) }

    /// Tells of a volume, without waiting for anybody.
    public func describe(_ name: VolumeName) throws(VolumeRefusal) -> Description {
        if let reason = unreadable[name.description] { throw VolumeRefusal(reason) }
        guard let record = entries.withLock({ $0[name]?.record }) else {
            throw VolumeRefusal("there is no volume \(name)")
        }
        return description(record)
    }

    /// All volumes, by name, without waiting for anybody.
    public func list() -> [Description] {
        entries.withLock { $0.values.compactMap(\.record) }.sorted { $0.name < $1.name }.map(description)
    }

    /// Looks after the mounts until the task is cancelled.
    public func keep() async {
        while !Task.isCancelled {
            let names = entries.withLock { $0.filter { $0.value.waiting == 0 }.keys }
            // Each by itself: none waits for another's store.
            for name in names {
                Task { [self] in
                    if case .failure(let reason) = await enqueue(name, .restore).value {
                        logger.error("The volume \(name) cannot be mounted: \(reason)")
                    }
                }
            }
            try? await Task.sleep(for: .seconds(15))
        }
    }

    // MARK: Queues

    private func call(_ name: VolumeName, _ request: VolumeMachine.Request) async throws(VolumeRefusal) {
        if let reason = unreadable[name.description] { throw VolumeRefusal(reason) }
        try await enqueue(name, request).value.get()
    }

    private func enqueue(
        _ name: VolumeName, _ request: VolumeMachine.Request
    ) -> Task<Result<Void, VolumeRefusal>, Never> {
        entries.withLock { enqueue(name, request, &$0) }
    }

    private func enqueue(
        _ name: VolumeName, _ request: VolumeMachine.Request, _ entries: inout [VolumeName: Entry]
    ) -> Task<Result<Void, VolumeRefusal>, Never> {
        var entry =
            entries[name] ?? Entry(volume: Volume(VolumeMachine(record: nil, bootID: bootID)), record: nil)
        let (volume, previous) = (entry.volume, entry.tail)
        let task = Task { [self] in
            await previous?.value
            let outcome = await run(request, volume, name)
            leave(name)
            return outcome
        }
        entry.tail = Task { _ = await task.value }
        entry.waiting += 1
        switch request {
        case .mount(let id): entry.mountCalls[id] = lastCall.add(1, ordering: .relaxed).newValue
        case .unmount(let id): entry.mountCalls[id] = nil
        default: break
        }
        entries[name] = entry
        return task
    }

    /// The end of a call: a volume that is no more and that nobody waits for is forgotten.
    private func leave(_ name: VolumeName) {
        entries.withLock { entries in
            guard var entry = entries[name] else { return }
            entry.waiting -= 1
            entries[name] = entry.waiting == 0 && entry.record == nil ? nil : entry
        }
    }

    /// Carries out a call, action by action.
    private func run(
        _ request: VolumeMachine.Request, _ volume: Volume, _ name: VolumeName
    ) async -> Result<Void, VolumeRefusal> {
        let path = path(of: name)
        var action = volume.machine.begin(request)
        while true {
            let event: VolumeMachine.Event
            switch action {
            case .done: return .success(())
            case .refuse(let reason): return .failure(reason)
            case .inspect: event = .found(await host.inspect(path))
            default:
                do throws(VolumeRefusal) {
                    try await carryOut(action, name, path)
                    event = .succeeded
                } catch {
                    event = .failed(error)
                }
            }
            action = volume.machine.advance(event)
            let record = volume.machine.record
            entries.withLock { $0[name]?.record = record }
        }
    }

    private func carryOut(
        _ action: VolumeMachine.Action, _ name: VolumeName, _ path: String
    ) async throws(VolumeRefusal) {
        switch action {
        case .mount(let record):
            logger.info("Mounting the volume \(name)")
            try await host.mount(record, at: path)
        case .unmount:
            logger.info("Unmounting the volume \(name)")
            try await host.unmount(path)
        case .clear: try await host.clear(path)
        case .write(let record): try await onDisk { [folder] () throws(VolumeRefusal) in try folder.write(record) }
        case .erase:
            try await onDisk { [folder] () throws(VolumeRefusal) in try folder.erase(name.description) }
        case .inspect, .done, .refuse: break
        }
    }

    private func onDisk(_ body: @escaping @Sendable () throws(VolumeRefusal) -> Void) async throws(VolumeRefusal) {
        try await BlockingThread.run { Result(catching: body) }.get()
    }

    private func path(of name: VolumeName) -> String { root + "/" + name.description }

    private func description(_ record: VolumeRecord) -> Description {
        Description(
            name: record.name, mountPoint: record.references.isEmpty ? "" : root + "/" + record.name,
            createdAt: record.createdAt, users: record.references.count, options: record.options)
    }

    /// Which start of the system this is; see proc_sys_kernel(5). Empty where /proc is not mounted.
    private static func currentBoot() -> String {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = max(0, read(descriptor, &bytes, bytes.count))
        return String(decoding: bytes[..<count].filter { $0 > 0x20 }, as: UTF8.self)
    }
}
