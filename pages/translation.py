"""How does a Transformer translate, token by token?"""

from app import explanations, panels, sidebar, state
from app.progress import progress_bar

panels.question(explanations.TRANSLATION_QUESTION)
with panels.guarded():
    from app import translation_controls

    translation_controls.text_row()
with panels.guarded(), progress_bar("Translating") as tell:
    # Late, since it takes seconds the first time.
    from app import engine
    from app.translation_panel import translation_panel

    selection = engine.translation_selection(state.selection())
    loaded = sidebar.loaded_model(selection)
    generation = engine.run(selection, loaded, tell).generation
with panels.guarded():
    translation_controls.doubts(generation.trace.tokens["encoder"], [step.token for step in generation.steps])
    translation_panel(generation, loaded)
