using System.Collections;
using System.Runtime.InteropServices;
using Barkeep.Common;

namespace Barkeep.Cli.Processes;

/// <summary>Starts this program once more, for another duty.</summary>
static unsafe class OwnProgram
{
    // posix_spawnattr_t takes 336 bytes and posix_spawn_file_actions_t 80 (glibc; musl as much or less), sigset_t 128.
    const int OpaqueLength = 1024;

    /// <summary>A log as long as this, in bytes, makes way for a new one; one older one is kept.</summary>
    const long LongLog = 8 << 20;

    const int ReadOnly = 0;
    const int Append = 1 | 0x400;

    /// <summary>The file that this process runs, with its whole path.</summary>
    /// <exception cref="BarkeepException">Failed: the system does not say.</exception>
    public static string FileName => Environment.ProcessPath ?? throw new BarkeepException(ErrorKind.Failed, "this program does not know its own path");

    /// <summary>Starts it in a session of its own, so that neither a terminal's end nor its Ctrl-C reaches it. What it prints is added to the log.</summary>
    /// <returns>Its process id: until this process ends, the caller's to wait for.</returns>
    public static int StartDetached(string logFile, params IReadOnlyList<string> arguments)
    {
        Durable.CreateDirectory(Path.GetDirectoryName(logFile)!);
        if (new FileInfo(logFile) is { Exists: true, Length: > LongLog })
        {
            Durable.Supersede(logFile, $"{logFile}.1");
        }
        Possession.MakePrivate(logFile);
        return Start(arguments, logFile, NativeMethods.SpawnNewSession);
    }

    /// <summary>Starts it as a child that prints where this process prints.</summary>
    /// <returns>Its process id, to wait for.</returns>
    public static int StartChild(params IReadOnlyList<string> arguments) => Start(arguments, null, 0);

    static int Start(IReadOnlyList<string> arguments, string? logFile, short flags)
    {
        byte* attributes = stackalloc byte[OpaqueLength];
        byte* actions = stackalloc byte[OpaqueLength];
        byte* signals = stackalloc byte[OpaqueLength];
        Check(NativeMethods.InitAttributes(attributes));
        Check(NativeMethods.InitFileActions(actions));
        var words = Words([ProgramName.Barkeep, .. arguments]);
        var variables = Words([.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(static e => $"{e.Key}={e.Value}")]);
        try
        {
            // The child starts with default signals: what a shell or a runtime made this process ignore is not its business.
            Check(NativeMethods.SetFlags(attributes, (short)(flags | NativeMethods.SpawnDefaultSignals | NativeMethods.SpawnSignalMask)));
            _ = NativeMethods.FillSignals(signals);
            Check(NativeMethods.SetDefaultSignals(attributes, signals));
            _ = NativeMethods.EmptySignals(signals);
            Check(NativeMethods.SetSignalMask(attributes, signals));
            Check(NativeMethods.AddOpen(actions, 0, "/dev/null", ReadOnly, 0));
            if (logFile is not null)
            {
                Check(NativeMethods.AddOpen(actions, 1, logFile, Append, 0));
                Check(NativeMethods.AddDuplicate(actions, 1, 2));
            }
            Check(NativeMethods.Spawn(out var pid, FileName, actions, attributes, words, variables));
            return pid;
        }
        finally
        {
            Free(words);
            Free(variables);
            _ = NativeMethods.DestroyFileActions(actions);
            _ = NativeMethods.DestroyAttributes(attributes);
        }
    }

    static byte** Words(IReadOnlyList<string> texts)
    {
        var words = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Count; i++)
        {
            words[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }
        return words;
    }

    static void Free(byte** words)
    {
        for (var word = words; *word != null; word++)
        {
            Marshal.FreeCoTaskMem((nint)(*word));
        }
        NativeMemory.Free(words);
    }

    static void Check(int error)
    {
        if (error != 0)
        {
            throw new BarkeepException(ErrorKind.Failed, $"starting {Environment.ProcessPath}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }
}
