import Logging
import ObjectStore
import Synchronization

/// Parts sent while the file is still being written: see ``StagedFile`` for the choice, ``StreamingUpload`` for the rules.
extension StagedFile {
    /// Something that streaming wants to do without the lock.
    enum StreamingJob: Sendable {
        case create
        case send(number: Int, range: Range<Int64>, StreamingSession)
    }

    /// What streaming wants to do now. Called under the lock.
    func jobs(_ state: inout StagedContent, _ features: StoreFeatures) -> [StreamingJob] {
        guard uploadTarget != nil, !state.isDiscarded else { return [] }
        let schedule = PartSchedule(partSize: limits.partSize, features: features)
        var jobs: [StreamingJob] = []
        while true {
            let action = state.stream.next(
                run: state.run, schedule: schedule, threshold: limits.singlePutThreshold,
                parallel: limits.parallelParts, maximumPartCount: features.maximumPartCount)
            switch action {
            case .none: return jobs
            case .create: jobs.append(.create)
            case .send(let number, let range):
                guard let session = state.stream.session else { return jobs }
                state.turn = nil
                jobs.append(.send(number: number, range: range, session))
            }
        }
    }

    /// Begins what streaming wants; does not wait for it.
    func start(_ jobs: [StreamingJob]) {
        for job in jobs {
            switch job {
            case .create: Task { await self.createUpload() }
            case .send(let number, let range, let session):
                Task { await self.send(number, range, session) }
            }
        }
    }

    private func createUpload() async {
        var session: StreamingSession?
        if let target = uploadTarget?() {
            do throws(StoreError) {
                let upload = try await store.createUpload(target.key, metadata: target.metadata)
                session = StreamingSession(upload: upload, target: target)
            } catch {
                // The commit tries again and reports.
                logger.warning("no upload could be begun ahead of the commit", metadata: ["error": "\(error)"])
            }
        }
        let features = store.features
        let jobs = state.withLock { state in
            if let session { state.stream.created(session) } else { state.stream.notCreated() }
            state.progress += 1
            return self.jobs(&state, features)
        }
        start(jobs)
        wake()
    }

    private func send(_ number: Int, _ range: Range<Int64>, _ session: StreamingSession) async {
        await transfer(number, range, session)
        let features = store.features
        // The part's memory is free by now: whoever waits for it finds it.
        let jobs = state.withLock { state in
            state.stream.ended()
            state.progress += 1
            return self.jobs(&state, features)
        }
        start(jobs)
        wake()
    }

    private func transfer(_ number: Int, _ range: Range<Int64>, _ session: StreamingSession) async {
        let pinned: PinnedExtents? = state.withLock { state in
            state.stream.isUploading(number, range: range) ? PinnedExtents(state.map.slice(range)) : nil
        }
        // A write was quicker: the part is stale before it was sent.
        guard let content = pinned else { return }
        var part: UploadedPart?
        do throws(StoreError) {
            part = try await store.uploadPart(
                session.upload, number: number, body: StagedBody(content.extents, origin: content))
        } catch {
            logger.warning(
                "a part could not be sent ahead of the commit",
                metadata: ["key": "\(session.upload.key)", "part": "\(number)", "error": "\(error)"])
        }
        guard state.withLock({ $0.stream.answered(number, range: range, part: part) }) else { return }
        if limits.uploadedParts == .keptOnDisk {
            let isMoved = await withTaskExecutorPreference(DiskExecutor.shared) { await self.moveToDisk(content) }
            if isMoved { return }
        }
        state.withLock { state in
            if state.stream.isCurrent(number, range: range) { state.map.write(range, .uploaded) }
        }
    }

    /// Moves the bytes of an uploaded part that are in memory to the spill file; false where the disk has no room.
    private func moveToDisk(_ content: PinnedExtents) async -> Bool {
        var runs: [[Extent]] = []
        for extent in content.extents {
            guard case .staged(let block, _) = extent.source, block.memory != nil else { continue }
            if let end = runs.last?.last?.end, end == extent.start {
                runs[runs.count - 1].append(extent)
            } else {
                runs.append([extent])
            }
        }
        let isStaged = content.extents.contains { if case .staged = $0.source { true } else { false } }
        guard isStaged else { return true }
        guard let file = try? spillFile() else { return false }
        let needed = runs.joined().reduce(0) { $0 + $1.count }
        guard file.freeDiskSpace - needed >= limits.minimumFreeDisk else { return false }
        holdKeptCopies()
        for run in runs {
            let capacity = Int(run.reduce(0) { $0 + $1.count })
            guard let block = StagingBlock.onDisk(file, capacity: capacity, for: .kept, budget: limits.disk) else {
                return false
            }
            for extent in run {
                guard case .staged(let source, let at) = extent.source, let memory = source.memory else { continue }
                let bytes = UnsafeRawBufferPointer(rebasing: memory[at..<at + Int(extent.count)])
                do {
                    try block.write(bytes, at: block.used)
                } catch {
                    return false
                }
                block.used += Int(extent.count)
            }
            state.withLock { $0.map.replace(unchanged: run, with: .staged(block, offset: 0)) }
        }
        return true
    }
}
