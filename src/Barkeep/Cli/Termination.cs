using System.Runtime.InteropServices;

namespace Barkeep.Cli;

/// <summary>
/// The first Ctrl-C or SIGTERM asks the command to stop and to leave things tidy; the second one ends the process as the
/// system would.
/// </summary>
sealed class Termination : IDisposable
{
    readonly CancellationTokenSource _source = new();
    readonly List<PosixSignalRegistration> _registrations = [];

    public Termination()
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, OnSignal));
        }
    }

    public CancellationToken Token => _source.Token;

    /// <summary>128 + the signal that came: 130 after Ctrl-C, 143 after SIGTERM.</summary>
    public int ExitCode { get; private set; } = 130;

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
        _source.Dispose();
    }

    void OnSignal(PosixSignalContext context)
    {
        if (_source.IsCancellationRequested)
        {
            return;
        }
        ExitCode = context.Signal switch { PosixSignal.SIGTERM => 143, PosixSignal.SIGHUP => 129, _ => 130 };
        context.Cancel = true;
        _source.Cancel();
    }
}
