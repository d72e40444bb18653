import Glibc
import ObjectStore
import SystemPackage

extension Errno {
    /// What a program is told when the store refused a request: the one place where that is decided.
    ///
    /// Only a missing key is `ENOENT`, for a program takes that for "the file is not there" and goes on without it. No error
    /// becomes `EAGAIN` or `EINTR` unless the caller itself gave up: programs that see those try again at once, and the
    /// store's layer has tried for long already.
    init(_ error: StoreError) {
        switch error.kind {
        case .notFound: self = .noSuchFileOrDirectory
        // The bucket, not the file, is gone: never ENOENT, or a mirror run would take all files for deleted.
        case .noSuchBucket: self = .operationNotSupportedByDevice  // ENODEV
        // The upload was aborted under us (a lifecycle rule, an operator): the data is not stored.
        case .noSuchUpload: self = .ioError
        // Another version is there than the one that this file was opened with.
        case .preconditionFailed: self = .staleNFSFileHandle
        // s3fs says EPERM; EACCES is what open(2) and the others name for missing permission.
        case .accessDenied: self = .permissionDenied
        // The object is shorter than it was: its bytes cannot be had.
        case .rangeNotSatisfiable: self = .ioError
        case .keyTooLong: self = .fileNameTooLong
        // A name or a value that the store does not take.
        case .invalidRequest: self = .invalidArgument
        // Metadata over its limit is a lack of room, a body over its limit a file too large.
        case .limitExceeded: self = error.code == "MetadataTooLarge" ? .noSpace : .fileTooLarge
        // "Object is remote": it has to be restored from the archive first. s3fs says the same.
        case .archived: self = Errno(rawValue: Glibc.EREMOTE)
        case .notImplemented: self = .notSupported
        // s3fs says EAGAIN, which a blocking read never gives and which sends programs into a busy loop.
        case .throttled: self = .resourceBusy
        case .serverError: self = .ioError
        case .timedOut: self = .timedOut
        case .unreachable: self = .networkUnreachable
        case .tls: self = Errno(rawValue: Glibc.EPROTO)
        case .badResponse: self = .ioError
        case .bodyUnreadable: self = .ioError
        case .cancelled: self = .interrupted
        }
    }
}
