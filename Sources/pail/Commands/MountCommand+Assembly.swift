import FileSystem
import Glibc
import Logging
import Mount
import ObjectStore
import S3

extension MountCommand {
    /// Puts the layers together and serves until the mount ends.
    ///
    /// In this order: the mount point, which costs nothing to check; the state directory; the bucket, by one LIST of a key; the
    /// mount. So whatever is wrong is told before the kernel shows a mount.
    static func mount(_ plan: MountPlan, logger: Logger, ready: @escaping @Sendable () -> Bool)
        async throws(CommandError)
    {
        let options = plan.request.options
        do throws(MountError) {
            _ = try MountPoint.prepare(
                plan.request.mountPoint, allowsNonEmpty: options.allowsNonempty, logger: logger)
        } catch {
            throw CommandError(error)
        }
        try StateDirectory.prepare(plan.stateDirectory)
        let store = S3Store(configuration: plan.storeConfiguration, credentials: plan.credentials, logger: logger)
        defer { store.shutdown() }
        do throws(StoreError) {
            try await store.checkBucket()
        } catch {
            throw StoreFailure.commandError(for: error, in: plan.failureContext)
        }
        let fileSystem = BucketFileSystem(
            store: store, prefix: plan.request.source.prefix, options: plan.fileSystemOptions, logger: logger)
        let end: MountEnd
        do throws(MountError) {
            let mount = try FuseMount(
                fileSystem: fileSystem, mountPoint: plan.request.mountPoint, options: plan.fuseOptions, logger: logger)
            logger.info("mounted \(plan.request.source) on \(mount.mountPoint)")
            end = try await mount.serve {
                // Nobody is there to be told: the command was interrupted, so its mount shall not stay.
                if !ready() { mount.stop() }
            }
        } catch {
            throw CommandError(error)
        }
        if let left = end.undrainedFiles, left > 0 {
            throw CommandError(.failure, "\(left) files could not be stored before the mount ended; see the log")
        }
        if end.undrainedFiles == nil {
            throw CommandError(.failure, "the mount ended before everything was stored; --drain-timeout sets how long to wait")
        }
    }
}

extension UnmountCommand {
    /// Takes the mount away.
    static func unmount(_ path: String, lazily: Bool) throws(CommandError) {
        do throws(MountError) {
            try Mount.unmount(path, lazy: lazily)
        } catch {
            throw CommandError(error)
        }
    }
}

extension CommandError {
    /// The command's end for what speaks against a mount.
    init(_ error: MountError) {
        switch error {
        case .busy: self.init(.busy, error.description)
        case .system, .session: self.init(.failure, error.description)
        default: self.init(.mountPoint, error.description)
        }
    }
}

extension MountPlan {
    /// How the store is spoken to.
    var storeConfiguration: S3Configuration {
        let options = request.options
        var configuration = S3Configuration(
            endpoint: target.endpoint.url, region: target.region, bucket: request.source.bucket,
            addressing: target.addressing)
        configuration.listingVersion = options.listVersion == 1 ? .v1 : .v2
        configuration.maxConnections = Int(options.maxConnections)
        configuration.connectTimeout = options.connectTimeout
        configuration.requestDeadline = options.requestDeadline
        configuration.checksum =
            switch options.checksum {
            case .crc32c: .crc32c
            case .md5: .md5
            case .none: .none
            }
        configuration.signPayload = options.signsPayload
        configuration.caFile = target.caBundle
        configuration.verifyTLS = options.verifiesTLS
        configuration.requesterPays = options.requesterPays
        configuration.storageClass = options.storageClass
        return configuration
    }

    /// How the file system behaves.
    var fileSystemOptions: FileSystemOptions {
        let options = request.options
        var result = FileSystemOptions()
        result.owner = options.uid.map(UInt32.init) ?? geteuid()
        result.group = options.gid.map(UInt32.init) ?? getegid()
        result.ownerShown = options.uid.map(UInt32.init)
        result.groupShown = options.gid.map(UInt32.init)
        result.umask = options.umask.map(UInt32.init)
        if let mode = options.fileMode { result.filePermissions = UInt32(mode) }
        if let mode = options.directoryMode {
            result.directoryPermissions = UInt32(mode)
            result.rootPermissions = UInt32(mode)
        }
        let (seconds, attoseconds) = options.attributeTimeout.components
        result.attributeTimeout = Double(seconds) + Double(attoseconds) / 1e18
        result.memoryLimit = Int(options.memory)
        result.partSize = options.partSize
        result.isReadOnly = options.isReadOnly
        result.spillDirectory = stateDirectory
        result.hasOtherDescriptors = { DescriptorProbe.hasOtherDescriptors(pid: $0, inode: $1) }
        return result
    }

    /// How the kernel mounts it.
    var fuseOptions: FuseMountOptions {
        let options = request.options
        return FuseMountOptions(
            source: options.fsName ?? request.source.description, subtype: options.subtype,
            allowOther: options.allowsOther, allowRoot: options.allowsRoot, readOnly: options.isReadOnly,
            extraOptions: options.kernelFlags, allowsNonEmpty: options.allowsNonempty, threads: Int(options.threads),
            drainTimeout: options.drainTimeout)
    }
}
