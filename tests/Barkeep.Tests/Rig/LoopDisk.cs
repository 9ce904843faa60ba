using System.Globalization;

namespace Barkeep.Tests.Rig;

/// <summary>A small ext4 filesystem in a file: a disk that can be full or read-only. Unmounted when disposed.</summary>
public sealed class LoopDisk : IAsyncDisposable
{
    readonly string _directory;

    LoopDisk(string directory)
    {
        _directory = directory;
        MountPoint = Path.Combine(directory, "mnt");
    }

    /// <summary>The root of the filesystem; empty but for lost+found.</summary>
    public string MountPoint { get; }

    /// <summary>What an unprivileged process may still write, in bytes; no blocks are kept back for root.</summary>
    public long FreeBytes => new DriveInfo(MountPoint).AvailableFreeSpace;

    string Ballast => Path.Combine(MountPoint, ".ballast");

    string LastBallast => Path.Combine(MountPoint, ".last-ballast");

    public static async Task<LoopDisk> CreateAsync(int megabytes)
    {
        var disk = new LoopDisk(RigRoot.NewDirectory("disk"));
        var image = Path.Combine(disk._directory, "image");
        Directory.CreateDirectory(disk.MountPoint);
        (await Command.RunAsync("truncate", $"--size={megabytes.ToString(CultureInfo.InvariantCulture)}M", image)).Checked();
        (await Command.RunAsync("mkfs.ext4", "-q", "-m", "0", image)).Checked();
        (await Command.RunAsync("mount", "-o", "loop", image, disk.MountPoint)).Checked();
        return disk;
    }

    /// <summary>Takes up the room until no more than so many bytes are free.</summary>
    public async Task FillAsync(long leaveBytes = 0)
    {
        // Block by block at the end: the filesystem's own map takes room as the file grows.
        for (var step = 64L << 20; step >= 1024; step /= 4)
        {
            while (FreeBytes - step >= leaveBytes
                && (await Command.RunAsync("fallocate", "--length", $"{BallastSize() + step}", Ballast)).ExitCode == 0)
            {
            }
        }
        if (leaveBytes == 0)
        {
            FillLastBlocks();
        }
    }

    /// <summary>Gives back what <see cref="FillAsync"/> took.</summary>
    public void Free()
    {
        File.Delete(Ballast);
        File.Delete(LastBallast);
    }

    public async Task RemountAsync(bool readOnly) =>
        (await Command.RunAsync("mount", "-o", readOnly ? "remount,ro" : "remount,rw", MountPoint)).Checked();

    public async ValueTask DisposeAsync()
    {
        if ((await Command.RunAsync("umount", MountPoint)).ExitCode != 0)
        {
            (await Command.RunAsync("umount", "--lazy", MountPoint)).Checked();
        }
        RigRoot.Remove(_directory);
    }

    // The map of a short file is in its inode and needs no block.
    void FillLastBlocks()
    {
        using var file = new FileStream(LastBallast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (true)
            {
                file.Write(new byte[1024]);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    long BallastSize() => File.Exists(Ballast) ? new FileInfo(Ballast).Length : 0;
}
