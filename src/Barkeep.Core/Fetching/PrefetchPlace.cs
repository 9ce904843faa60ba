using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Fetching;

/// <summary>
/// A directory beside a recovering server, where a <see cref="Prefetcher"/> lays complete, checked segments before they are asked for. It is of one
/// cluster of one repository. Nothing in it is believed but while the prefetcher lives that has put it there.
/// </summary>
public sealed class PrefetchPlace
{
    const string NameInWal = "barkeep-prefetch";

    /// <param name="root">Where such directories are; on the filesystem of pg_wal, segments need not be copied.</param>
    public PrefetchPlace(string root, string repository, ulong systemId)
    {
        var key = XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(Path.GetFullPath(repository)));
        Root = root;
        Directory = Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"{systemId}-{key:x16}"));
    }

    /// <summary>The place of a recovering server.</summary>
    /// <param name="root">Where such directories are; null for one in its pg_wal.</param>
    public static PrefetchPlace Of(RecoveringServer recovering, string? root, string repository) =>
        new(root ?? Path.Combine(recovering.Directory, "pg_wal", NameInWal), repository, recovering.SystemId);

    public string Root { get; }

    /// <summary>Segments under their names, and what is asked for.</summary>
    public string Directory { get; }

    /// <summary>Held by the prefetcher from when it has removed what others have left.</summary>
    public string Lock => Directory + ".lock";

    /// <summary>Held by a prefetcher from its beginning.</summary>
    public string StartLock => Directory + ".start";

    string WishFile => Path.Combine(Directory, "wanted");

    public bool IsServed => DutyLock.IsHeld(Lock);

    /// <summary>Says which segment is asked for now: the ones after it are wanted next.</summary>
    public void Want(SegmentName name)
    {
        Durable.CreateDirectory(Directory);
        using var file = File.OpenHandle(WishFile, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes(name.ToString()), 0);
    }

    /// <summary>What was asked for last, and when; null when nothing was.</summary>
    public (SegmentName Name, DateTimeOffset At)? TryReadWish()
    {
        try
        {
            return SegmentName.TryParse(File.ReadAllText(WishFile), out var name) ? (name, File.GetLastWriteTimeUtc(WishFile)) : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public bool Has(SegmentName name) => File.Exists(PathOf(name));

    /// <summary>
    /// Lays down a segment: whole when it can be seen. Not durable: the directory is believed by nobody after a crash. But PostgreSQL flushes what it has
    /// taken, and waits for that: the kernel begins with it here.
    /// </summary>
    public void Put(SegmentName name, ReadOnlyMemory<byte> content) => Durable.LayDown(PathOf(name), file =>
    {
        file.Write(content.Span);
        Durable.BeginFlush(file.SafeFileHandle, 0, content.Length);
    });

    /// <summary>Moves a segment to where it is wanted, if it is here and can be believed.</summary>
    public bool TryTake(SegmentName name, string destination)
    {
        if (!IsServed || !Has(name))
        {
            return false;
        }
        try
        {
            Durable.Rename(PathOf(name), destination);
            return true;
        }
        catch (BarkeepException)
        {
            // Gone just now, or the destination is on another filesystem. Whatever it is: it can be fetched without.
            return false;
        }
    }

    /// <summary>Does what a server's command has to do about a segment: moves it to where it is wanted, if it can be, and says that it was asked for.</summary>
    public bool TryServe(SegmentName name, string destination)
    {
        var taken = false;
        try
        {
            taken = TryTake(name, destination);
            Want(name);
        }
        catch (Exception e) when (e is BarkeepException or IOException or UnauthorizedAccessException)
        {
            // Where nothing can be laid down, every segment is fetched when it is asked for.
        }
        return taken;
    }

    /// <summary>Removes the segments that are not to stay.</summary>
    public void Keep(Func<SegmentName, bool> stays)
    {
        if (!System.IO.Directory.Exists(Directory))
        {
            return;
        }
        foreach (var path in System.IO.Directory.EnumerateFiles(Directory).ToList())
        {
            if (path != WishFile && !(SegmentName.TryParse(Path.GetFileName(path), out var name) && stays(name)))
            {
                TryRemove(path);
            }
        }
    }

    /// <summary>Removes everything.</summary>
    public void Clear()
    {
        Keep(static _ => false);
        TryRemove(WishFile);
        Durable.RemoveEmptyDirectory(Directory);
        TryRemove(Lock);
        TryRemove(StartLock);
        Durable.RemoveEmptyDirectory(Root);
    }

    string PathOf(SegmentName name) => Path.Combine(Directory, name.ToString());

    static void TryRemove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is taken away at this moment, or will be found by the next one who cleans.
        }
    }
}
