using Barkeep.Common;
using Spectre.Console;

namespace Barkeep.Cli.Shared;

/// <summary>A progress bar on a terminal, drawn until it is disposed.</summary>
sealed class CopyBar : IDisposable
{
    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Task _drawing;
    volatile Reading _reading = new(0, 0, 0);

    public CopyBar(string title) => _drawing = AnsiConsole.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .StartAsync(context => DrawAsync(context.AddTask(Markup.Escape(title)), title));

    public void Update(long done, long total, double perSecond) => _reading = new(done, total, perSecond);

    public void Dispose()
    {
        _over.TrySetResult();
        _drawing.GetAwaiter().GetResult();
    }

    async Task DrawAsync(ProgressTask task, string title)
    {
        while (!_over.Task.IsCompleted)
        {
            var reading = _reading;
            if (reading.Total > 0)
            {
                task.MaxValue = reading.Total;
                task.Value = reading.Done;
                task.Description = Markup.Escape($"{title} {new ByteSize(reading.Done)} of {new ByteSize(reading.Total)}, {new ByteSize((long)reading.PerSecond)}/s");
            }
            await Task.WhenAny(_over.Task, Task.Delay(Pace));
        }
    }

    sealed record Reading(long Done, long Total, double PerSecond);
}
