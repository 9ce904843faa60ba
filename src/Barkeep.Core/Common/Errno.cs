using System.Runtime.InteropServices;

namespace Barkeep.Common;

/// <summary>Turns errno and .NET's I/O exceptions into the kinds that users can act on.</summary>
public static class Errno
{
    public const int NotPermitted = 1;
    public const int InputOutput = 5;
    public const int TooManyOpenHere = 24;
    public const int TooManyOpen = 23;
    public const int Stale = 116;
    public const int NoEntry = 2;
    public const int NoProcess = 3;
    public const int Exists = 17;
    public const int Invalid = 22;
    public const int NoSpace = 28;
    public const int ReadOnly = 30;
    public const int NotImplemented = 38;
    public const int NotSupported = 95;
    public const int Quota = 122;
    public const int WouldBlock = 11;
    public const int AccessDenied = 13;
    public const int Interrupted = 4;

    /// <summary>The exception for the errno of the last libc call.</summary>
    /// <param name="doing">What was being done and to what: <c>"flushing /var/lib/barman/…"</c>.</param>
    public static BarkeepException Last(string doing)
    {
        var errno = Marshal.GetLastPInvokeError();
        return From(errno, doing, null);
    }

    /// <summary>The exception for an I/O error that .NET threw.</summary>
    public static BarkeepException From(Exception error, string doing) => error switch
    {
        BarkeepException known => known,
        // .NET keeps errno in HResult for the errors it maps to a plain IOException.
        IOException io when (io.HResult & 0xFFFF) is NoSpace or Quota => From(NoSpace, doing, io),
        _ => new(ErrorKind.Storage, $"{doing}: {ReasonOf(error, doing)}", HintOf(NumberOf(error)), error),
    };

    /// <summary>Why, in the system's words, after the path unless that is told: .NET's are a sentence around the path.</summary>
    /// <param name="told">What stands before it; a path at its end.</param>
    public static string ReasonOf(Exception error, string told)
    {
        if (NumberOf(error) is not (> 0 and var errno))
        {
            return error.Message;
        }
        var reason = Marshal.GetPInvokeErrorMessage(errno);
        // A file is written under another name beside its own.
        var path = error.Message.Split('\'') is [_, .., _] quoted ? string.Join('\'', quoted[1..^1]) : "";
        return told.Contains(path, StringComparison.Ordinal) || path.StartsWith(told[(told.LastIndexOf(' ') + 1)..], StringComparison.Ordinal) ? reason : $"{path}: {reason}";
    }

    // What .NET has a class of its own for, it gives a number of its own too.
    static int NumberOf(Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => NoEntry,
        UnauthorizedAccessException => error.InnerException is IOException { HResult: NotPermitted } ? NotPermitted : AccessDenied,
        IOException { HResult: > 0 and <= 0xFFFF and var errno } => errno,
        _ => 0,
    };

    static BarkeepException From(int errno, string doing, Exception? inner) => errno is NoSpace or Quota
        ? new(ErrorKind.DiskFull, $"{doing}: no space left on the device", "make room; nothing that was stored is lost", inner)
        : new(ErrorKind.Storage, $"{doing}: {Marshal.GetPInvokeErrorMessage(errno)}", HintOf(errno), inner);

    static string? HintOf(int errno) => errno switch
    {
        AccessDenied => $"this runs as uid {NativeMethods.EffectiveUser()}: run every command as one user, to whom all of barkeep's files belong",
        NotPermitted => $"this runs as uid {NativeMethods.EffectiveUser()}: run it as the owner of those files, or as root",
        NoEntry => "look whether the path is right, and whether what belongs there is mounted",
        InputOutput => "the disk does not work: the kernel's log (dmesg) says more",
        ReadOnly => "mount the filesystem writable; where a fault has made it read-only, the kernel's log (dmesg) says which",
        TooManyOpenHere => "raise the limit of open files (ulimit -n)",
        TooManyOpen => "the machine has no more open files to give: raise fs.file-max",
        Stale => "mount the network's filesystem anew",
        _ => null,
    };
}
