// swift-tools-version: 6.2
import PackageDescription

// What the way through the kernel costs: a file system that does nothing, mounted by Pail's own kernel side.
// A package of its own, so that building Pail does not build it: `swift run -c release NullFuse MOUNTPOINT`.
let package = Package(
    name: "NullFuse",
    dependencies: [
        .package(name: "pail", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .executableTarget(
            name: "NullFuse",
            dependencies: [
                .product(name: "Mount", package: "pail"), .product(name: "FileSystem", package: "pail"),
                .product(name: "ObjectStore", package: "pail"), .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)])
    ]
)
